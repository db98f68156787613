"""`doctor` names the line for each way of getting nginx wrong, and finds nothing where none is."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.clients.conftest import require
from tests.clients.running_server import RunningServer
from tests.protocol.transports import make_certificate
from tests.proxies.conftest import StartNginx
from tests.proxies.mistakes import MISTAKES
from tests.proxies.nginx import location_lines
from tests.unit.doctor.fake_server import FakeServer, running
from tusd_py.cli.main import main

UPLOADING = "tusd_py.doctor.checks_uploading"
HOST = "proxy_set_header Host $http_host;"
FORWARDED_HOST = "proxy_set_header X-Forwarded-Host $http_host;"


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback needs less patience than a network."""
    monkeypatch.setattr(f"{UPLOADING}._BEFORE_CUT", 0.2)
    monkeypatch.setattr(f"{UPLOADING}._AFTER_CUT", 2.0)


@pytest.fixture(scope="module")
def relative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with its default settings."""
    with RunningServer(tmp_path_factory.mktemp("relative")) as server:
        yield server


@pytest.fixture(scope="module")
def absolute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that says where it is, in full, and believes nginx."""
    flags = ("--location", "absolute", "--trusted-proxies", "127.0.0.1")
    with RunningServer(tmp_path_factory.mktemp("absolute"), *flags) as server:
        yield server


class Diagnosis:
    """What the command line said of a URL, as a script reads it."""

    def __init__(self, *arguments: str) -> None:
        result = CliRunner().invoke(main, ["doctor", "--json", "--pause", "0.2", *arguments])
        self.exit_code = result.exit_code
        self.document = json.loads(result.stdout)
        self.findings = {
            finding["code"]: finding["remedies"]
            for check in self.document.get("checks", ())
            for finding in check["findings"]
        }

    def assert_names(self, expected: dict[str, str]) -> None:
        """These were found, and nothing else; nginx's line comes first, and is the right one."""
        assert self.findings.keys() == expected.keys(), self.document
        for code, line in expected.items():
            place, first = next(iter(self.findings[code].items()))
            # Where no word of HTTP was exchanged, nobody knows that it is nginx; it leads anyway.
            assert (place, line in first) == ("nginx", True), first
        assert not self.document["left"] or "method_blocked" in expected


def lines_without(*left_out: str) -> str:
    text = location_lines()
    for line in left_out:
        assert line in text
        text = text.replace(line, "")
    return text


def test_finds_nothing_where_there_is_no_proxy(relative: RunningServer) -> None:
    diagnosis = Diagnosis(relative.endpoint)
    assert (diagnosis.findings, diagnosis.exit_code) == ({}, 0)
    assert diagnosis.document["proxy"] is None
    assert not diagnosis.document["left"]


@pytest.mark.parametrize("kind", ["relative", "absolute"])
def test_finds_nothing_behind_the_configuration_that_is_recommended(
    kind: str, start_nginx: StartNginx, request: pytest.FixtureRequest
) -> None:
    server: RunningServer = request.getfixturevalue(kind)
    diagnosis = Diagnosis(f"{start_nginx(server)}/files/")
    assert (diagnosis.findings, diagnosis.exit_code) == ({}, 0)
    assert diagnosis.document["proxy"] == "nginx"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_names_the_line(
    mistake: str, relative: RunningServer, start_nginx: StartNginx, tmp_path: Path
) -> None:
    left_out, added, expected = MISTAKES[mistake]
    lines = "\n".join([lines_without(*left_out), *added])
    cache = f"proxy_cache_path {tmp_path}/cache keys_zone=uploads:1m;\n"
    nginx = start_nginx(relative, lines=lines, http_lines=cache)
    # Longer than the time for bodies, where that is short.
    pause = "1.6" if "body_timeout" in expected else "0.2"

    diagnosis = Diagnosis(f"{nginx}/files/", "--pause", pause)

    diagnosis.assert_names(expected)
    is_broken = any(
        finding["outcome"] == "broken"
        for check in diagnosis.document["checks"]
        for finding in check["findings"]
    )
    assert diagnosis.exit_code == is_broken


class TestLocation:
    """Where a server writes its own name, and nginx does not tell it that."""

    def test_internal_name(self, absolute: RunningServer, start_nginx: StartNginx) -> None:
        lines = lines_without(HOST, FORWARDED_HOST) + "proxy_redirect off;"
        diagnosis = Diagnosis(f"{start_nginx(absolute, lines=lines)}/files/")
        diagnosis.assert_names({"location_host": HOST})

    def test_host_without_a_port(self, absolute: RunningServer, start_nginx: StartNginx) -> None:
        lines = lines_without(HOST, FORWARDED_HOST) + "proxy_set_header Host $host;"
        diagnosis = Diagnosis(f"{start_nginx(absolute, lines=lines)}/files/")
        diagnosis.assert_names({"location_port": HOST})

    def test_prefix_that_nginx_takes_away(
        self, absolute: RunningServer, start_nginx: StartNginx
    ) -> None:
        nginx = start_nginx(absolute, lines=lines_without(), prefix="/storage")
        diagnosis = Diagnosis(f"{nginx}/storage/files/")
        diagnosis.assert_names({"location_prefix": "X-Forwarded-Prefix /PREFIX;"})

    def test_http_behind_https(
        self, absolute: RunningServer, start_nginx: StartNginx, certificate: Path
    ) -> None:
        lines = lines_without("proxy_set_header X-Forwarded-Proto $scheme;")
        nginx = start_nginx(absolute, lines=lines, certificate=certificate)
        diagnosis = Diagnosis(f"{nginx}/files/", "--insecure")
        diagnosis.assert_names(
            {
                "certificate_untrusted": "ssl_certificate FULLCHAIN.pem;",
                "location_scheme": "proxy_set_header X-Forwarded-Proto $scheme;",
            }
        )


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that nobody knows."""
    openssl = shutil.which("openssl") or ""
    require("openssl", bool(openssl))
    return make_certificate(openssl, tmp_path)


class TestCertificate:
    """Over https, the certificate is judged first."""

    def test_is_right(
        self,
        absolute: RunningServer,
        start_nginx: StartNginx,
        certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        nginx = start_nginx(absolute, certificate=certificate)
        diagnosis = Diagnosis(f"{nginx}/files/")
        # It is one of two days.
        diagnosis.assert_names({"certificate_expires_soon": "ssl_certificate FULLCHAIN.pem;"})
        assert diagnosis.exit_code == 0

    def test_is_for_another_name(
        self,
        absolute: RunningServer,
        start_nginx: StartNginx,
        certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        nginx = start_nginx(absolute, certificate=certificate)
        diagnosis = Diagnosis(f"{nginx.replace('127.0.0.1', 'localhost')}/files/")
        diagnosis.assert_names({"certificate_name": "server_name HOST;"})

    def test_is_not_known(
        self, absolute: RunningServer, start_nginx: StartNginx, certificate: Path
    ) -> None:
        nginx = start_nginx(absolute, certificate=certificate)
        diagnosis = Diagnosis(f"{nginx}/files/")
        diagnosis.assert_names({"certificate_untrusted": "ssl_certificate FULLCHAIN.pem;"})
        assert diagnosis.exit_code == 1
        assert {each["outcome"] for each in diagnosis.document["checks"][1:]} == {"skipped"}


def test_credentials_for_everything_stop_preflights(
    relative: RunningServer, start_nginx: StartNginx, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.write_text("ann:{PLAIN}sesame\n")
    users.chmod(0o644)
    lines = f"{location_lines()}auth_basic uploads; auth_basic_user_file {users};"
    nginx = start_nginx(relative, lines=lines)

    secret = "Basic YW5uOnNlc2FtZQ=="
    diagnosis = Diagnosis(f"{nginx}/files/", "-H", f"Authorization: {secret}")
    diagnosis.assert_names({"cors_preflight": "limit_except OPTIONS { auth_basic ...; }"})
    assert secret not in json.dumps(diagnosis.document)

    without = Diagnosis(f"{nginx}/files/")
    assert (without.exit_code, without.document["error"]["code"]) == (2, "unauthorized")


def test_nobody_behind_nginx(start_nginx: StartNginx) -> None:
    nginx = start_nginx("http://127.0.0.1:1")
    diagnosis = Diagnosis(f"{nginx}/files/")
    diagnosis.assert_names({"gateway_down": "proxy_pass http://HOST:PORT;"})


def test_a_server_that_takes_its_time(start_nginx: StartNginx) -> None:
    away = location_lines()[location_lines().index("error_page 502 504 @away;") :]
    lines = lines_without("proxy_read_timeout 5m;", away) + "proxy_read_timeout 1s;"
    with running(FakeServer("hangs=1.4")) as slow:
        nginx = start_nginx(slow.url.removesuffix("/files/"), lines=lines)
        diagnosis = Diagnosis(f"{nginx}/files/")
    diagnosis.assert_names({"gateway_timeout": "proxy_read_timeout 300s;"})
