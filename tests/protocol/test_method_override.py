"""X-HTTP-Method-Override: for clients that cannot send PATCH or DELETE."""

import pytest

from tests.harness import OCTETS, TusServer, request_head


def override(method: str, **headers: str) -> dict[str, str]:
    return {"X-HTTP-Method-Override": method, **headers}


@pytest.mark.parametrize("actual", ["POST", "PUT", "DELETE"])
async def test_post_becomes_patch_whatever_the_actual_method(
    server: TusServer, actual: str
) -> None:
    path = await server.create(5)
    headers = override("PATCH", **OCTETS, **{"Upload-Offset": "0"})
    answer = await server.request(actual, path, headers, b"hello")
    assert (answer.status, answer.offset) == (204, 5)
    assert (await server.get(path)).body == b"hello"


async def test_post_becomes_delete(server: TusServer) -> None:
    path = await server.create(5)
    assert (await server.request("POST", path, override("DELETE"))).status == 204
    assert (await server.head(path)).status == 404


async def test_get_becomes_head(server: TusServer) -> None:
    path = await server.create(5)
    answer = await server.request("GET", path, override("HEAD"))
    assert (answer.status, answer.offset, answer.body) == (200, 0, b"")


async def test_post_becomes_options_and_needs_no_version(server: TusServer) -> None:
    answer = await server.request("POST", server.prefix, override("OPTIONS"), tus=False)
    assert answer.status == 204
    assert "Tus-Extension" in answer.headers


async def test_head_that_becomes_get_has_no_body_all_the_same(server: TusServer) -> None:
    # Whatever it is taken for, HTTP knows that nothing follows the head of the answer.
    path = await server.finished(b"hello")
    async with server.raw() as connection:
        head = request_head("HEAD", path, "X-HTTP-Method-Override: GET")
        await connection.send(head + request_head("HEAD", path))
        assert (await connection.receive(head_only=True)).status == 200
        assert (await connection.receive(head_only=True)).offset == 5


async def test_post_becomes_get(server: TusServer) -> None:
    path = await server.finished(b"hello")
    assert (await server.request("POST", path, override("GET"))).body == b"hello"


async def test_put_becomes_post(server: TusServer) -> None:
    headers = override("POST", **{"Upload-Length": "5"})
    assert (await server.request("PUT", server.prefix, headers)).status == 201


async def test_the_actual_method_is_ignored_even_where_it_would_do(server: TusServer) -> None:
    path = await server.create(5)
    headers = override("HEAD", **OCTETS, **{"Upload-Offset": "0"})
    answer = await server.request("PATCH", path, headers, b"hello")
    assert (answer.status, answer.offset) == (200, 0)
    assert (await server.head(path)).offset == 0


async def test_the_same_version_is_wanted(server: TusServer) -> None:
    path = await server.create(5)
    answer = await server.request("POST", path, override("DELETE"), tus=False)
    assert answer.status == 412
    assert (await server.head(path)).status == 200


async def test_lower_case_is_understood(server: TusServer) -> None:
    path = await server.create(5)
    assert (await server.request("POST", path, override("delete"))).status == 204


@pytest.mark.parametrize("method", ["FROBNICATE", "PUT", ""])
async def test_unknown_methods_are_405(server: TusServer, method: str) -> None:
    path = await server.create(5)
    answer = await server.request("POST", path, override(method))
    assert answer.status == 405
    assert "FROBNICATE" not in answer.text


@pytest.mark.settings(method_override=False)
async def test_is_not_obeyed_where_the_setting_says_so(server: TusServer) -> None:
    path = await server.create(5)
    assert (await server.request("POST", path, override("DELETE"))).status == 405
    assert (await server.head(path)).status == 200
