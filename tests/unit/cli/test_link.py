"""`tusd-py link` prints a link that the server takes, or says why there is none."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.harness import Answer, run_server
from tests.protocol.test_concatenation import PARTIAL
from tusd_py.auth.tokens import new_token, token_line

Run = Callable[..., Result]

KEY = "0123456789abcdef" * 4


@dataclass(frozen=True)
class Directory:
    """A data directory with uploads in it, and the keys of its server."""

    data: Path
    keys: Path
    finished: str
    unfinished: str
    part: str
    final: str

    @property
    def flags(self) -> tuple[str, ...]:
        return "--data-dir", str(self.data), "--download-keys", str(self.keys)

    @property
    def upload_flags(self) -> tuple[str, ...]:
        return "--upload", "--data-dir", str(self.data), "--upload-keys", str(self.keys)

    def get(self, link: str) -> Answer:
        async def get() -> Answer:
            async with run_server(self.data, download_keys=self.keys) as server:
                return await server.get(link)

        return asyncio.run(get())


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Directory:
    place = tmp_path_factory.mktemp("link")
    keys = place / "keys"
    keys.touch(mode=0o600)
    keys.write_text(f"{KEY}\n{'x' * 32}\n")

    async def make() -> list[str]:
        async with run_server(place / "data") as server:
            paths = await server.finished(b"hello"), await server.create(5)
            part = await server.finished(b"hello", PARTIAL)
            final = await server.create(None, {"Upload-Concat": f"final;{part}"})
        return [path.removeprefix("/files/") for path in (*paths, part, final)]

    return Directory(place / "data", keys, *asyncio.run(make()))


def test_link_is_a_path_that_the_server_takes_for_the_time(run: Run, directory: Directory) -> None:
    began = time.time()
    result = run("link", directory.finished, "--for", "1h30m", *directory.flags)
    assert result.exit_code == 0
    link = result.stdout.removesuffix("\n")
    pattern = rf"/files/{directory.finished}\?expires=([0-9]+)&signature=[0-9a-f]{{64}}"
    match = re.fullmatch(pattern, link)
    assert match is not None
    assert 0 <= int(match[1]) - (began + 5400) < 30
    assert result.stderr.startswith("tusd-py: good until 2")
    assert directory.get(link).body == b"hello"


def test_link_begins_as_clients_see_the_server(run: Run, directory: Directory) -> None:
    seen = ("--public-url", "https://example.org/up/", "--base-path", "/f")
    result = run("link", directory.finished, *directory.flags, *seen)
    assert result.stdout.startswith(f"https://example.org/up/f/{directory.finished}?expires=")


def test_settings_come_from_where_the_servers_do(
    run: Run, directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"data_dir: {directory.data}\npublic_url: https://example.org\n")
    monkeypatch.setenv("TUSD_PY_DOWNLOAD_KEYS", str(directory.keys))
    result = run("link", directory.finished, "--config", config)
    assert result.stdout.startswith("https://example.org/files/")


def test_link_as_json(run: Run, directory: Directory) -> None:
    document = json.loads(run("link", directory.finished, *directory.flags, "--json").stdout)
    assert document["url"].startswith("/files/")
    assert re.fullmatch(r"2.*\+00:00", document["expires_at"])


@pytest.mark.parametrize("lifetime", ["0", "0s", "-1h", "soon", ""])
def test_time_has_to_be_one(run: Run, directory: Directory, lifetime: str) -> None:
    result = run("link", directory.finished, *directory.flags, "--for", lifetime)
    assert result.exit_code == 2
    assert "Invalid value for '--for'" in result.stderr


def refusal(run: Run, *arguments: str) -> tuple[str, str]:
    """Return the code and the message of a command that fails."""
    result = run("link", *arguments, "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    return error["code"], error["message"]


def test_what_cannot_be_downloaded_gets_none(run: Run, directory: Directory) -> None:
    code, message = refusal(run, directory.unfinished, *directory.flags)
    assert (code, "is not finished (open)" in message) == ("upload_unfinished", True)
    code, message = refusal(run, directory.part, *directory.flags)
    assert (code, "part of another upload" in message) == ("upload_partial", True)
    code, message = refusal(run, "0" * 32, *directory.flags)
    assert (code, "tusd-py ls" in message) == ("upload_not_found", True)


def test_link_to_send_is_one_that_the_server_takes(
    run: Run, tmp_path: Path, directory: Directory
) -> None:
    tokens = tmp_path / "tokens"
    token = new_token()
    tokens.write_text(token_line(token, "alice"))
    keys = directory.keys
    settings: dict[str, Any] = {"auth": "tokens", "auth_tokens": tokens, "upload_keys": keys}

    async def send() -> tuple[list[int], bytes]:
        bearer = {"Authorization": f"Bearer {token}"}
        async with run_server(directory.data, **settings) as server:
            path = await server.create(5, bearer)
            name = path.removeprefix("/files/")
            made = await asyncio.to_thread(run, "link", name, *directory.upload_flags)
            link = made.stdout.removesuffix("\n")
            answers = [await server.patch(each, 0, b"hello") for each in (path, link)]
            return [answer.status for answer in answers], (await server.get(path, bearer)).body

    assert asyncio.run(send()) == ([401, 204], b"hello")


def test_what_takes_no_bytes_gets_no_link_to_send(run: Run, directory: Directory) -> None:
    flags = directory.upload_flags
    code, message = refusal(run, directory.finished, *flags)
    assert (code, "takes no more bytes (finished)" in message) == ("upload_not_open", True)
    code, message = refusal(run, directory.final, *flags)
    assert (code, "made of parts" in message) == ("upload_final", True)
    assert refusal(run, "0" * 32, *flags)[0] == "upload_not_found"


def test_links_to_send_have_keys_of_their_own(run: Run, directory: Directory) -> None:
    code, message = refusal(run, directory.unfinished, "--upload", *directory.flags)
    assert (code, "openssl rand -hex 32" in message) == ("no_upload_keys", True)


def test_without_keys_it_is_said_how_to_make_one(run: Run, directory: Directory) -> None:
    code, message = refusal(run, directory.finished, "--data-dir", str(directory.data))
    assert code == "no_download_keys"
    assert "openssl rand -hex 32" in message


def test_keys_that_cannot_be_used_are_told(run: Run, directory: Directory, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    code, message = refusal(run, directory.finished, "--download-keys", missing)
    assert code == "config_error"
    assert message.startswith(f'download_keys = "{missing}" (flag --download-keys) cannot be read')


def test_where_downloads_are_off_there_is_none(
    run: Run, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSD_PY_DOWNLOADS", "false")
    assert refusal(run, directory.finished, *directory.flags)[0] == "downloads_off"


def test_a_place_without_uploads_is_told(run: Run, directory: Directory, tmp_path: Path) -> None:
    flags = ("--data-dir", str(tmp_path), "--download-keys", str(directory.keys))
    assert refusal(run, directory.finished, *flags)[0] == "no_data_directory"
    assert not list(tmp_path.rglob("*.sqlite3"))
