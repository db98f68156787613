"""Location: where clients find an upload, whatever stands between them and the server."""

import pytest

from tests.harness import TusServer

SEEN = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "example.org",
    "X-Forwarded-Prefix": "/up",
}


async def location(server: TusServer, headers: dict[str, str] | None = None) -> str:
    created = await server.create(1, headers)
    return created.rpartition("/")[0]


async def test_is_a_path_where_nothing_else_is_asked_for(server: TusServer) -> None:
    assert await location(server, SEEN) == "/files"


@pytest.mark.settings(trusted_proxies="127.0.0.1")
async def test_has_the_prefix_that_a_trusted_proxy_took_off(server: TusServer) -> None:
    assert await location(server, SEEN) == "/up/files"


@pytest.mark.settings(location="absolute")
async def test_names_the_host_that_the_client_named(server: TusServer) -> None:
    assert await location(server, {**SEEN, "Host": "localhost:1"}) == "http://localhost:1/files"


@pytest.mark.settings(location="absolute", trusted_proxies="127.0.0.0/8")
async def test_names_what_a_trusted_proxy_saw(server: TusServer) -> None:
    assert await location(server, SEEN) == "https://example.org/up/files"


@pytest.mark.settings(location="absolute", trusted_proxies="127.0.0.1")
async def test_never_names_what_is_no_host(server: TusServer) -> None:
    headers = {"X-Forwarded-Host": "a<b>", "X-Forwarded-Proto": "gopher", "Host": "localhost"}
    assert await location(server, headers) == "http://localhost/files"


@pytest.mark.settings(location="absolute")
async def test_is_a_path_where_the_host_cannot_be_read(server: TusServer) -> None:
    assert await location(server, {"Host": "user@evil.example"}) == "/files"


@pytest.mark.settings(public_url="https://example.org/up/", trusted_proxies="127.0.0.1")
async def test_begins_with_the_public_url_whatever_proxies_say(server: TusServer) -> None:
    headers = {**SEEN, "X-Forwarded-Host": "elsewhere.example"}
    assert await location(server, headers) == "https://example.org/up/files"


@pytest.mark.settings(trusted_proxies="127.0.0.1", max_open_uploads_per_address=1)
async def test_clients_behind_a_proxy_are_told_apart(server: TusServer) -> None:
    wants = {"Upload-Length": "1"}
    for client, status in (("192.0.2.1", 201), ("192.0.2.1", 429), ("192.0.2.2", 201)):
        headers = {**wants, "X-Forwarded-For": f"1.2.3.4, {client}"}
        assert (await server.request("POST", server.prefix, headers)).status == status
