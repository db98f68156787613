"""An examination cleans up, keeps secrets, ends in time, and says when there is nothing to ask."""

import socket
import time

import pytest

from tests.unit.doctor.conftest import Examine, Witness
from tests.unit.doctor.fake_server import FakeServer, running
from tusd_py.doctor import examination
from tusd_py.doctor.examination import CHECKS, examine
from tusd_py.doctor.target import Target
from tusd_py.doctor.verdict import CannotExamine, Outcome


def test_removes_what_it_uploaded() -> None:
    with running(FakeServer()) as server:
        report = examine(Target(server.url, pause=0.1), Witness())
        assert server.uploads == {}
    assert report.left == ()


def test_says_what_stays_where_nothing_can_be_removed() -> None:
    with running(FakeServer("blocks=DELETE")) as server:
        report = examine(Target(server.url, pause=0.1), Witness())
        assert {f"http://127.0.0.1:{server.server_port}{path}" for path in server.uploads} == set(
            report.left
        )


def test_skips_what_the_server_does_not_announce_and_says_so() -> None:
    with running(FakeServer()) as server:
        server.extensions = "creation"
        report = examine(Target(server.url, pause=0.1), Witness())
    assert report.is_healthy
    reasons = {each.check: each.skipped for each in report.verdicts}
    for check, extension in {
        "checksum": "checksum",
        "deferred-length": "creation-defer-length",
        "termination": "termination",
    }.items():
        assert reasons[check] == f"the server does not announce {extension}"
    # Not announced is not forbidden: it tries, and here it works.
    assert report.left == ()


def test_sends_the_users_headers_with_requests_and_not_with_preflights() -> None:
    with running(FakeServer()) as server:
        secret = {"Authorization": "Bearer sesame"}
        report = examine(Target(server.url, secret, pause=0.1), Witness())
        preflights = [
            headers for _, headers in server.requests if "Access-Control-Request-Method" in headers
        ]
        others = [headers for _, headers in server.requests if headers not in preflights]
    assert preflights
    assert not any("Authorization" in headers for headers in preflights)
    assert all(headers["Authorization"] == "Bearer sesame" for headers in others)
    assert "sesame" not in repr(report)
    assert "sesame" not in repr(Target(server.url, secret))


def test_sends_the_users_headers_to_no_other_server() -> None:
    with running(FakeServer()) as other:
        location = f"location=http://localhost:{other.server_port}PATH"
        with running(FakeServer(location)) as server:
            secret = {"Authorization": "Bearer sesame"}
            examine(Target(server.url, secret, pause=0.1), Witness())
        assert not any("Authorization" in headers for _, headers in other.requests)


def test_names_the_proxy_and_puts_its_line_first(examined: Examine) -> None:
    with running(FakeServer("buffers")) as server:
        server.software = "Caddy"
        report = examine(Target(server.url, pause=0.1), Witness())
    assert (report.proxy, report.servers) == ("Caddy", ("Caddy",))
    (check,) = [each for each in report.as_document()["checks"] if each["check"] == "interruption"]
    assert next(iter(check["findings"][0]["remedies"])) == "Caddy"
    assert examined("buffers").proxy is None


def test_tells_the_watcher_of_each_check() -> None:
    witness = Witness()
    with running(FakeServer()) as server:
        examine(Target(server.url, pause=0.1), witness)
    assert witness.told[:4] == [
        "certificate",
        "certificate skipped",
        "discovery",
        "discovery ok",
    ]
    assert len(witness.told) == 2 * len(CHECKS)


def test_redirect_is_named_and_ends_it(examined: Examine) -> None:
    report = examined("redirects=https://files.example/files/")
    assert [finding.code for each in report.verdicts for finding in each.findings] == ["redirected"]
    assert "https://files.example/files/" in report.verdicts[1].findings[0].text
    assert {each.skipped for each in report.verdicts[2:]} == {"the URL redirects"}


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CannotExamine, match="connection refused") as refused:
        examine(Target(f"http://127.0.0.1:{port}/files/"), Witness())
    assert refused.value.code == "unreachable"


def test_somebody_who_speaks_no_tls() -> None:
    with running(FakeServer()) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(CannotExamine, match="is the URL http") as refused:
            examine(Target(url), Witness())
    assert refused.value.code == "unreachable"


@pytest.mark.parametrize(("status", "code"), [("401", "unauthorized"), ("404", "not_a_tus_server")])
def test_somebody_who_is_not_for_us(status: str, code: str) -> None:
    with running(FakeServer(f"status={status}")) as server:
        server.software = "nginx"
        with pytest.raises(CannotExamine) as refused:
            examine(Target(server.url), Witness())
    assert refused.value.code == code


def test_ends_in_time_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes long for each answer does not make the examination long."""
    monkeypatch.setattr(examination, "CHECKING", 0.6)
    monkeypatch.setattr(examination, "CLEANING", 0.1)
    started = time.monotonic()
    with running(FakeServer("hangs=0.25")) as server:
        report = examine(Target(server.url, pause=0.1), Witness())
    assert time.monotonic() - started < 3
    assert report.verdicts[-1].outcome is Outcome.SKIPPED
    assert "no time was left" in {each.skipped.partition(";")[0] for each in report.verdicts}
    assert report.left


def test_each_check_says_what_it_asks() -> None:
    assert all(check.asked.endswith(".") for check in CHECKS)
    assert len({check.name for check in CHECKS}) == len(CHECKS)
