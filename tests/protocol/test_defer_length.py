"""Creation with a deferred length: the client says later how long the upload is."""

import pytest

from tests.harness import OCTETS, RawConnection, TusServer, patch_head

DEFER = {"Upload-Defer-Length": "1"}


async def test_head_says_that_the_length_is_deferred(server: TusServer) -> None:
    path = await server.create(None, DEFER)
    for offset in (0, 5, 10):
        head = await server.head(path)
        assert (head.status, head.offset) == (200, offset)
        assert head.headers["Upload-Defer-Length"] == "1"
        assert "Upload-Length" not in head.headers
        await server.patch(path, offset, b"12345")


async def test_head_omits_it_where_the_length_was_given(server: TusServer) -> None:
    assert "Upload-Defer-Length" not in (await server.head(await server.create(5))).headers


@pytest.mark.parametrize("value", ["0", "2", "true", "", "1.0", "01", "-1"])
async def test_any_other_value_is_400(server: TusServer, value: str) -> None:
    answer = await server.request("POST", server.prefix, {"Upload-Defer-Length": value})
    assert answer.status == 400
    assert "Upload-Defer-Length" in answer.text
    assert server.stored() == {}


async def test_length_and_deferral_together_are_400(server: TusServer) -> None:
    answer = await server.request("POST", server.prefix, {**DEFER, "Upload-Length": "5"})
    assert answer.status == 400
    assert server.stored() == {}


async def test_length_is_set_by_the_next_patch(server: TusServer) -> None:
    path = await server.create(None, DEFER)
    await server.patch(path, 0, b"hello")
    answer = await server.patch(path, 5, b" wor", {"Upload-Length": "11"})
    assert (answer.status, answer.offset) == (204, 9)
    head = await server.head(path)
    assert head.headers["Upload-Length"] == "11"
    assert "Upload-Defer-Length" not in head.headers
    await server.patch(path, 9, b"ld")
    assert (await server.get(path)).body == b"hello world"


async def test_length_may_come_with_the_first_patch_and_all_the_data(server: TusServer) -> None:
    path = await server.create(None, DEFER)
    assert (await server.patch(path, 0, b"hello", {"Upload-Length": "5"})).offset == 5
    assert (await server.get(path)).body == b"hello"


@pytest.mark.parametrize(
    "framing", ["", "Content-Length: 0", "Transfer-Encoding: chunked"], ids=["none", "0", "chunked"]
)
async def test_length_may_come_with_an_empty_patch_that_finishes_the_upload(
    server: TusServer, framing: str
) -> None:
    path = await server.create(None, DEFER)
    await server.patch(path, 0, b"hello")
    async with server.raw() as connection:
        head = patch_head(path, 5, "Upload-Length: 5", *filter(None, [framing]))
        await connection.send(head + ("0\r\n\r\n" if "chunked" in framing else ""))
        answer = await connection.receive()
    assert (answer.status, answer.offset) == (204, 5)
    assert (await server.get(path)).body == b"hello"


async def test_an_upload_of_no_bytes_may_be_deferred_too(server: TusServer) -> None:
    path = await server.create(None, DEFER)
    assert (await server.patch(path, 0, b"", {"Upload-Length": "0"})).offset == 0
    got = await server.get(path)
    assert (got.status, got.body) == (200, b"")


@pytest.mark.parametrize("length", ["4", "6", "0"])
async def test_once_set_the_length_cannot_be_changed(server: TusServer, length: str) -> None:
    path = await server.create(None, DEFER)
    await server.patch(path, 0, b"he", {"Upload-Length": "5"})
    answer = await server.patch(path, 2, b"l", {"Upload-Length": length})
    assert answer.status == 400
    head = await server.head(path)
    assert (head.offset, head.headers["Upload-Length"]) == (2, "5")


@pytest.mark.parametrize("length", ["4", "6"])
async def test_a_length_given_at_creation_cannot_be_changed(server: TusServer, length: str) -> None:
    path = await server.create(5)
    assert (await server.patch(path, 0, b"h", {"Upload-Length": length})).status == 400
    head = await server.head(path)
    assert (head.offset, head.headers["Upload-Length"]) == (0, "5")


async def test_the_same_length_again_is_no_change(server: TusServer) -> None:
    path = await server.create(5)
    assert (await server.patch(path, 0, b"hello", {"Upload-Length": "5"})).status == 204


async def test_a_length_below_the_offset_is_400(server: TusServer) -> None:
    path = await server.create(None, DEFER)
    await server.patch(path, 0, b"hello")
    assert (await server.patch(path, 5, b"", {"Upload-Length": "4"})).status == 400
    assert (await server.head(path)).headers["Upload-Defer-Length"] == "1"


async def test_more_data_than_the_length_that_comes_with_it_is_413(server: TusServer) -> None:
    path = await server.create(None, DEFER)
    assert (await server.patch(path, 0, b"hello", {"Upload-Length": "4"})).status == 413
    head = await server.head(path)
    assert (head.offset, head.headers["Upload-Defer-Length"]) == (0, "1")


async def test_a_wrong_offset_leaves_the_length_open(server: TusServer) -> None:
    path = await server.create(None, DEFER)
    assert (await server.patch(path, 1, b"hello", {"Upload-Length": "5"})).status == 409
    assert (await server.head(path)).headers["Upload-Defer-Length"] == "1"


async def test_a_length_is_kept_even_when_the_data_breaks_off(server: TusServer) -> None:
    path = await server.create(None, DEFER)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, "Upload-Length: 10", length=10) + "hello")
        await _seen(connection, server, path)
    head = await server.head(path)
    assert (head.offset, head.headers.get("Upload-Length")) == (5, "10")


async def test_what_a_longer_chunk_left_behind_is_no_part_of_the_upload(server: TusServer) -> None:
    path = await server.create(None, DEFER)
    wrong = {"Upload-Checksum": "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00="}
    assert (await server.patch(path, 0, b"x" * 100, wrong)).status == 460
    assert (await server.patch(path, 0, b"hello", {"Upload-Length": "5"})).status == 204
    assert (await server.get(path)).body == b"hello"
    assert (await server.get(path, {"Range": "bytes=0-99"})).body == b"hello"


@pytest.mark.settings(max_size=10)
class TestMaximum:
    async def test_holds_for_the_length_declared_later(self, server: TusServer) -> None:
        path = await server.create(None, DEFER)
        assert (await server.patch(path, 0, b"hello", {"Upload-Length": "11"})).status == 413
        assert (await server.head(path)).offset == 0

    async def test_holds_while_the_length_is_open(self, server: TusServer) -> None:
        path = await server.create(None, DEFER)
        await server.patch(path, 0, b"1234567890")
        assert (await server.patch(path, 10, b"1")).status == 413
        assert (await server.patch(path, 10, b"", {"Upload-Length": "10"})).status == 204


@pytest.mark.settings(disabled_extensions=("creation-defer-length",))
async def test_is_400_and_not_announced_where_it_is_disabled(server: TusServer) -> None:
    announced = (await server.options()).headers["Tus-Extension"].split(",")
    assert "creation-defer-length" not in announced
    answer = await server.request("POST", server.prefix, {**DEFER, **OCTETS})
    assert answer.status == 400
    assert server.stored() == {}


async def _seen(connection: RawConnection, server: TusServer, path: str) -> None:
    """Wait until the server has what was sent: a newer request makes it answer for it."""
    await server.head(path)
    assert (await connection.receive()).status == 423
