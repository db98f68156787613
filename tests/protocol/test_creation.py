"""Creation: POST makes an upload."""

import pytest

from tests.harness import TusServer


async def test_is_acknowledged_with_201_and_a_location(server: TusServer) -> None:
    answer = await server.request("POST", server.prefix, {"Upload-Length": "100"})
    assert answer.status == 201
    assert answer.body == b""
    head = await server.head(answer.headers["Location"])
    assert (head.status, head.offset, head.headers["Upload-Length"]) == (200, 0, "100")


async def test_offset_is_not_told_where_no_data_came_along(server: TusServer) -> None:
    answer = await server.request("POST", server.prefix, {"Upload-Length": "100"})
    assert "Upload-Offset" not in answer.headers


async def test_location_is_a_path_that_is_right_behind_any_proxy(server: TusServer) -> None:
    path = await server.create(1, {"Host": "somewhere.example", "X-Forwarded-Host": "elsewhere"})
    assert path.startswith("/files/")
    assert len(path) == len("/files/") + 32


@pytest.mark.settings(public_url="https://uploads.example")
async def test_location_begins_with_the_public_url_where_one_is_set(server: TusServer) -> None:
    location = await server.create(1)
    assert location.startswith("https://uploads.example/files/")
    path = location.removeprefix("https://uploads.example")
    assert (await server.head(path)).status == 200


@pytest.mark.settings(base_path="/api/v1/uploads/")
async def test_uploads_are_where_the_base_path_says(server: TusServer) -> None:
    path = await server.create(5)
    assert path.startswith("/api/v1/uploads/")
    assert (await server.patch(path, 0, b"hello")).status == 204
    assert (await server.request("POST", "/files/", {"Upload-Length": "5"})).status == 404


@pytest.mark.settings(base_path="/")
async def test_uploads_may_be_at_the_root(server: TusServer) -> None:
    path = await server.create(5)
    assert path.count("/") == 1
    assert (await server.patch(path, 0, b"hello")).status == 204


async def test_creation_url_works_without_its_last_slash(server: TusServer) -> None:
    answer = await server.request("POST", "/files", {"Upload-Length": "5"})
    assert answer.status == 201
    assert (await server.head(answer.headers["Location"])).status == 200


async def test_creation_url_may_have_a_query(server: TusServer) -> None:
    answer = await server.request("POST", "/files/?token=abc", {"Upload-Length": "5"})
    assert answer.status == 201
    assert "?" not in answer.headers["Location"]
    assert (await server.head(answer.headers["Location"])).status == 200


async def test_every_upload_has_a_url_of_its_own(server: TusServer) -> None:
    assert len({await server.create(1) for _ in range(20)}) == 20


async def test_an_empty_upload_is_complete_at_once(server: TusServer) -> None:
    path = await server.create(0)
    head = await server.head(path)
    assert (head.offset, head.headers["Upload-Length"]) == (0, "0")
    assert "Upload-Expires" not in head.headers
    got = await server.get(path)
    assert (got.status, got.body) == (200, b"")


async def test_without_any_length_is_400(server: TusServer) -> None:
    answer = await server.request("POST", server.prefix)
    assert answer.status == 400
    assert "Upload-Length" in answer.text
    assert server.stored() == {}


@pytest.mark.parametrize("content_type", ["application/octet-stream", "text/plain", ""])
async def test_an_empty_body_may_be_declared_as_anything(
    server: TusServer, content_type: str
) -> None:
    # Clients built on aiohttp declare application/octet-stream.
    headers = {"Upload-Length": "5", "Content-Type": content_type, "Content-Length": "0"}
    assert (await server.request("POST", server.prefix, headers)).status == 201


@pytest.mark.settings(max_size=1000)
class TestMaximum:
    async def test_is_announced(self, server: TusServer) -> None:
        assert (await server.options()).headers["Tus-Max-Size"] == "1000"

    async def test_exceeding_it_is_413_and_creates_nothing(self, server: TusServer) -> None:
        answer = await server.request("POST", server.prefix, {"Upload-Length": "1001"})
        assert answer.status == 413
        assert "Location" not in answer.headers
        assert server.stored() == {}

    async def test_reaching_it_is_right(self, server: TusServer) -> None:
        path = await server.create(1000)
        assert (await server.patch(path, 0, bytes(1000))).status == 204


async def test_without_a_maximum_none_is_announced(server: TusServer) -> None:
    assert "Tus-Max-Size" not in (await server.options()).headers


@pytest.mark.parametrize("length", [10**17, 2**63 - 1])
async def test_more_than_the_disk_can_hold_is_507_and_creates_nothing(
    server: TusServer, length: int
) -> None:
    answer = await server.request("POST", server.prefix, {"Upload-Length": str(length)})
    assert answer.status == 507
    assert server.stored() == {}


@pytest.mark.settings(disabled_extensions=("creation",))
async def test_is_405_where_it_is_disabled(server: TusServer) -> None:
    answer = await server.request("POST", server.prefix, {"Upload-Length": "5"})
    assert answer.status == 405
    assert answer.headers["Allow"] == "OPTIONS"
    assert server.stored() == {}
