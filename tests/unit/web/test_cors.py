"""Which origins are let in, and what is said to each, without a server."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from tusd_py.config.model import Settings
from tusd_py.web.cors import Cors

ALLOW = "Access-Control-Allow-Origin"


def said(cors: Cors, origin: str | None, method: str = "GET", **more: str) -> dict[str, str]:
    sent = CIMultiDict({} if origin is None else {"Origin": origin})
    sent.update({name.replace("_", "-"): value for name, value in more.items()})
    return cors.headers_for(method, sent)


def allowed(cors: Cors, origin: str) -> bool:
    headers = said(cors, origin)
    assert headers.get(ALLOW) in {None, origin}
    return ALLOW in headers


class TestWildcard:
    cors = Cors(("https://*.example.org", "http://*.local.test:8080", "https://one.example"))

    @pytest.mark.parametrize(
        "origin",
        [
            "https://sub.example.org",
            "https://a.b.example.org",
            "https://x-1_y.example.org",
            "http://a.local.test:8080",
            "https://one.example",
        ],
    )
    def test_stands_for_every_name_below(self, origin: str) -> None:
        assert allowed(self.cors, origin)

    @pytest.mark.parametrize(
        "origin",
        [
            "https://example.org",
            "https://.example.org",
            "https://a..example.org",
            "https://evilexample.org",
            "https://sub.example.org.evil.com",
            "https://sub.example.orgx",
            "https://sub.exampleXorg",
            "https://sub.example.org:8443",
            "http://sub.example.org",
            "xhttps://sub.example.org",
            "https://evil.com/.example.org",
            "https://evil.com#.example.org",
            "https://evil.com?.example.org",
            "https://evil.com\\.example.org",
            "https://user@sub.example.org",
            "https://sub.example.org/",
            "https://sub.example.org\n",
            "https://evil.com https://sub.example.org",
            "https://*.example.org",
            "http://a.local.test",
            "http://a.local.test:80808",
            "https://a.one.example",
            "null",
            "",
        ],
    )
    def test_stands_for_nothing_else(self, origin: str) -> None:
        assert not allowed(self.cors, origin)

    def test_as_settings_have_it(self) -> None:
        settings = Settings(cors_origins=("https://*.Example.org:443",))
        assert allowed(Cors(settings.cors_origins), "https://sub.example.org")

    def test_costs_no_time_whatever_the_origin(self) -> None:
        assert not allowed(self.cors, "https://" + "a." * 8000 + "x")


class TestNull:
    def test_is_let_in_with_everybody_alone(self) -> None:
        assert said(Cors(("*",)), "null")[ALLOW] == "*"
        for origins in ((), ("https://page.example",), ("https://*.example",)):
            assert not allowed(Cors(origins), "null")


def test_two_origins_are_none() -> None:
    sent = CIMultiDict([("Origin", "https://one.example"), ("Origin", "https://two.example")])
    assert ALLOW not in Cors(("https://one.example",)).headers_for("GET", sent)


class TestVary:
    @pytest.mark.parametrize("origin", [None, "null", "https://page.example", "https://x.example"])
    @pytest.mark.parametrize("origins", [("*",), ("https://page.example",)])
    def test_is_there_whenever_the_answer_depends(
        self, origins: tuple[str, ...], origin: str | None
    ) -> None:
        assert said(Cors(origins), origin)["Vary"] == "Origin"

    def test_is_not_there_where_nothing_depends(self) -> None:
        assert "Vary" not in said(Cors(()), "https://page.example")

    @pytest.mark.parametrize("origins", [("*",), ()])
    def test_keeps_what_an_application_said(self, origins: tuple[str, ...]) -> None:
        response = web.Response(headers={"Vary": "Cookie"})
        Cors(origins).mark(make_mocked_request("GET", "/"), response)
        assert response.headers.getall("Vary") == [
            "Cookie, Origin" if origins else "Cookie",
        ]


class TestPrivateNetwork:
    ASKED = "Access-Control-Allow-Private-Network"

    @pytest.mark.parametrize(
        ("origins", "asks", "is_let_in"),
        [
            (("https://page.example",), "true", True),
            (("https://*.example",), "true", True),
            (("*", "https://page.example"), "true", True),
            (("https://page.example",), "false", False),
            (("*",), "true", False),
            (("https://other.example",), "true", False),
        ],
    )
    def test_is_entered_by_name_alone(
        self, origins: tuple[str, ...], asks: str, is_let_in: bool
    ) -> None:
        headers = said(
            Cors(origins),
            "https://page.example",
            "OPTIONS",
            Access_Control_Request_Method="POST",
            Access_Control_Request_Private_Network=asks,
        )
        assert headers.get(self.ASKED) == ("true" if is_let_in else None)

    def test_is_no_matter_to_other_requests(self) -> None:
        cors = Cors(("https://page.example",))
        headers = said(cors, "https://page.example", Access_Control_Request_Private_Network="true")
        assert self.ASKED not in headers


def test_other_pages_may_show_what_they_may_read() -> None:
    policy = "Cross-Origin-Resource-Policy"
    assert said(Cors(("*",)), None)[policy] == "cross-origin"
    assert said(Cors(("https://page.example",)), None)[policy] == "cross-origin"
    assert said(Cors(()), "https://page.example") == {policy: "same-origin"}
