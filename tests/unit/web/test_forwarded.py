"""Who a request comes from and where its client found the server, as trusted proxies say."""

from collections.abc import Mapping
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from tusd_py.web.forwarded import Origin, Proxies

PROXIES = Proxies((ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")))


#: By name, or as pairs where a name comes twice.
Headers = Mapping[str, str] | list[tuple[str, str]]


def request_from(peer: str, headers: Headers, host: str = "inner:1080") -> web.Request:
    sent = CIMultiDict({"Host": host} if host else {})
    sent.extend(headers)
    request = make_mocked_request("POST", "/files/", headers=sent)
    return request.clone(remote=peer, scheme="http")


def origin(headers: Headers, peer: str = "10.0.0.1") -> Origin:
    return PROXIES.origin_of(request_from(peer, headers))


class TestOrigin:
    def test_strangers_are_not_believed(self) -> None:
        headers = {
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Prefix": "/evil",
            "Forwarded": "host=evil.example;proto=https",
        }
        assert origin(headers, "192.0.2.1") == Origin("http", "inner:1080", "")

    def test_nobody_on_a_unix_socket_is_believed_unless_all_are(self) -> None:
        request = request_from("", {"X-Forwarded-Host": "example.org"})
        assert PROXIES.origin_of(request).authority == "inner:1080"
        assert Proxies(unix=True).origin_of(request).authority == "example.org"

    @pytest.mark.parametrize("peer", ["10.200.0.1", "::ffff:10.0.0.1", "2001:db8::7"])
    def test_proxies_are(self, peer: str) -> None:
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "example.org"}
        assert origin(headers, peer) == Origin("https", "example.org", "")

    @pytest.mark.parametrize(
        ("headers", "found"),
        [
            pytest.param({}, ("http", "inner:1080", ""), id="nothing said"),
            pytest.param({"X-Forwarded-Proto": "HTTPS"}, ("https", "inner:1080", ""), id="case"),
            pytest.param(
                {
                    "X-Forwarded-Host": "Example.org, inner.example",
                    "X-Forwarded-Proto": "https,http",
                },
                ("https", "example.org", ""),
                id="the first of a list",
            ),
            pytest.param(
                [("X-Forwarded-Host", "example.org"), ("X-Forwarded-Host", "inner.example")],
                ("http", "example.org", ""),
                id="the first of two headers",
            ),
            pytest.param(
                {"X-Forwarded-Host": "example.org", "X-Forwarded-Port": "8443"},
                ("http", "example.org:8443", ""),
                id="a port of its own",
            ),
            pytest.param(
                {
                    "X-Forwarded-Host": "example.org",
                    "X-Forwarded-Port": "443",
                    "X-Forwarded-Proto": "https",
                },
                ("https", "example.org", ""),
                id="the scheme's own port",
            ),
            pytest.param(
                {"X-Forwarded-Host": "[2001:db8::1]", "X-Forwarded-Port": "81"},
                ("http", "[2001:db8::1]:81", ""),
                id="IPv6",
            ),
            pytest.param(
                {"X-Forwarded-Host": "example.org:1", "X-Forwarded-Port": "2"},
                ("http", "example.org:1", ""),
                id="the host has one already",
            ),
            pytest.param(
                {"X-Forwarded-Prefix": "/a/b/"}, ("http", "inner:1080", "/a/b"), id="prefix"
            ),
            pytest.param(
                {"Forwarded": 'for=192.0.2.1;host="example.org:8443";proto=https, host=b'},
                ("https", "example.org:8443", ""),
                id="Forwarded",
            ),
            pytest.param(
                {"Forwarded": "host=evil.example;proto=https", "X-Forwarded-Host": "example.org"},
                ("http", "example.org", ""),
                id="a client's Forwarded beside a proxy's own",
            ),
        ],
    )
    def test_is_what_they_say(self, headers: Headers, found: tuple[str, str, str]) -> None:
        assert origin(headers) == Origin(*found)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("Proto", "javascript"),
            ("Proto", ""),
            ("Host", "a b"),
            ("Host", "user@example.org"),
            ("Host", "example.org/path"),
            ("Host", "example.org:99999"),
            ("Host", "example.org:"),
            ("Host", "exa<mple"),
            ("Host", ""),
            ("Port", "0"),
            ("Port", "x"),
            ("Prefix", "//evil.example"),
            ("Prefix", "no-slash"),
            ("Prefix", "/a/../b"),
            ("Prefix", "/.."),
            ("Prefix", "/a?b"),
            ("Prefix", "/a\\b"),
            ("Prefix", "/"),
        ],
    )
    def test_what_has_the_wrong_form_counts_for_nothing(self, name: str, value: str) -> None:
        assert origin({f"X-Forwarded-{name}": value}) == Origin("http", "inner:1080", "")

    @pytest.mark.parametrize("host", ["", "a b", "evil\\.example", "user@host"])
    def test_host_that_cannot_be_read_is_none(self, host: str) -> None:
        assert PROXIES.origin_of(request_from("192.0.2.1", {}, host)).authority == ""


class TestClient:
    @pytest.mark.parametrize(
        ("peer", "headers", "client"),
        [
            pytest.param("192.0.2.1", {"X-Forwarded-For": "192.0.2.9"}, "192.0.2.1", id="stranger"),
            pytest.param("10.0.0.1", {}, "10.0.0.1", id="a proxy's own request"),
            pytest.param("10.0.0.1", {"X-Forwarded-For": "192.0.2.9"}, "192.0.2.9", id="one"),
            pytest.param(
                "10.0.0.1",
                {"X-Forwarded-For": "1.2.3.4, 192.0.2.9"},
                "192.0.2.9",
                id="what the client invented stands before what the proxy saw",
            ),
            pytest.param(
                "10.0.0.1",
                {"X-Forwarded-For": "1.2.3.4, 192.0.2.9, 10.0.0.7, 2001:db8::1"},
                "192.0.2.9",
                id="proxies behind proxies",
            ),
            pytest.param(
                "10.0.0.1", {"X-Forwarded-For": "10.0.0.3, 10.0.0.2"}, "10.0.0.3", id="inside"
            ),
            pytest.param("10.0.0.1", {"X-Forwarded-For": "unknown"}, "10.0.0.1", id="unknown"),
            pytest.param(
                "10.0.0.1", {"X-Forwarded-For": "[2a00::1]:4711"}, "2a00::1", id="with a port"
            ),
            pytest.param(
                "10.0.0.1", {"X-Forwarded-For": "192.0.2.9:80"}, "192.0.2.9", id="IPv4:port"
            ),
            pytest.param(
                "10.0.0.1",
                {"Forwarded": 'for=1.2.3.4, for="[2a00::1]:4711";proto=https'},
                "2a00::1",
                id="Forwarded",
            ),
            pytest.param("10.0.0.1", {"Forwarded": "for=_hidden"}, "10.0.0.1", id="obfuscated"),
        ],
    )
    def test_is_the_last_that_no_proxy_is(
        self, peer: str, headers: Mapping[str, str], client: str
    ) -> None:
        assert PROXIES.client_of(request_from(peer, headers)) == client

    def test_behind_a_unix_socket(self) -> None:
        request = request_from("", {"X-Forwarded-For": "192.0.2.9"})
        assert PROXIES.client_of(request) == ""
        assert Proxies(unix=True).client_of(request) == "192.0.2.9"
