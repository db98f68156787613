"""What is not as it seems: names that mean another host elsewhere, and reasons of certificates."""

import ssl

import pytest

from tests.unit.doctor.conftest import Witness
from tests.unit.doctor.fake_server import FakeServer, running
from tusd_py.doctor import location
from tusd_py.doctor.checks_access import _certificate_finding
from tusd_py.doctor.examination import examine
from tusd_py.doctor.target import Target, request_target


@pytest.mark.parametrize(
    "host", ["backend", "localhost", "10.1.2.3", "::1", "tus.svc.local", "a.internal"]
)
def test_internal_names(host: str) -> None:
    assert location._is_internal(host)


@pytest.mark.parametrize("host", ["example.org", "8.8.8.8", "2606:4700::1111"])
def test_names_that_everybody_can_reach(host: str) -> None:
    assert not location._is_internal(host)


def test_another_host_is_right_where_the_upload_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(location, "_is_internal", lambda _: False)
    with running(FakeServer()) as other:
        where = f"location=http://localhost:{other.server_port}PATH"
        with running(FakeServer(where)) as server:
            server.uploads = other.uploads
            report = examine(Target(server.url, pause=0.05), Witness())
        assert other.uploads == {}
    assert report.is_healthy
    assert not [each for each in report.verdicts if each.findings]


@pytest.mark.parametrize(
    ("code", "finding", "hint"),
    [
        (10, "certificate_expired", "not valid now"),
        (9, "certificate_expired", "not valid now"),
        (62, "certificate_name", "not for example.org"),
        (64, "certificate_name", "not for example.org"),
        (18, "certificate_untrusted", "self-made"),
        (20, "certificate_untrusted", "intermediate"),
        (23, "certificate_untrusted", "not trusted"),
    ],
)
def test_reasons_of_certificates(code: int, finding: str, hint: str) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "so says OpenSSL."
    found = _certificate_finding(error, "example.org")
    assert found.code == finding
    assert hint in found.text
    assert "so says OpenSSL" in found.text


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://h", "/"),
        ("http://h/files/?a=b c#d", "/files/?a=b%20c"),
        ("http://h/f%2Fi/ü", "/f%2Fi/%C3%BC"),
    ],
)
def test_what_stands_in_the_first_line(url: str, target: str) -> None:
    assert request_target(url) == target
