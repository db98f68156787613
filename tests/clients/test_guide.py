"""The snippets of docs/clients.md do what it says of them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.clients.conftest import JAVASCRIPT, MIB, StartServer, require
from tests.clients.running_server import CHECKOUT, RunningServer, ask

TEXT = (CHECKOUT / "docs" / "clients.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
BASH = [code for language, code in BLOCKS if language == "bash"]
NODE = [code for language, code in BLOCKS if language == "js" and "@uppy/" not in code]
WRITTEN = "http://127.0.0.1:1080/"
SHELL = [shutil.which("bash") or "bash", "-ec"]
PATIENCE = 30
#: Longer than one chunk of any snippet, and no multiple of it.
CONTENT = os.urandom(9 * MIB + 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server that suits all the clients; aiotus wants whole URLs."""
    with RunningServer(tmp_path_factory.mktemp("server"), "--location", "absolute") as running:
        yield running


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a directory with the file that is to be uploaded."""
    directory = tmp_path / "at-work"
    directory.mkdir()
    (directory / "video.mp4").write_bytes(CONTENT)
    return directory


def run(command: list[str], server: RunningServer, place: Path) -> str:
    """Run a snippet, the last argument, against *server*; return the last line it prints."""
    *program, code = command
    assert WRITTEN in code, "a snippet says where the server is"
    here = code.replace(WRITTEN, server.endpoint.removesuffix("files/"))
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
        "XDG_STATE_HOME": str(place / "state"),
    }
    done = subprocess.run(
        [*program, here],
        cwd=JAVASCRIPT if "node" in program[0] else place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def assert_arrived(url: str) -> None:
    answer = ask("GET", url)
    assert (answer.status, answer.body == CONTENT) == (200, True)


def test_every_block_is_run_but_those_that_need_a_browser() -> None:
    assert {language for language, _ in BLOCKS} == {"js", "python", "bash"}
    assert [len(blocks) for blocks in (PYTHON, BASH, NODE)] == [4, 3, 1]
    assert len(BLOCKS) == 4 + 3 + 1 + 1


@pytest.mark.parametrize("code", PYTHON, ids=["tuspy", "tuspy async", "aiotus", "aiotus by steps"])
def test_python(server: RunningServer, place: Path, code: str) -> None:
    assert_arrived(run([sys.executable, "-c", code], server, place))


@pytest.mark.parametrize("gone", [False, True])
def test_tuspy_begins_anew_only_where_its_upload_is_gone(
    server: RunningServer, place: Path, gone: bool
) -> None:
    stopped = PYTHON[0].replace("uploader.upload()", "uploader.upload(stop_at=8 * 2**20); exit()")
    stopped = stopped.replace("exit()", "print(uploader.url); exit()")
    first = run([sys.executable, "-c", stopped], server, place)
    assert ask("HEAD", first).headers["Upload-Offset"] == str(8 * MIB)
    if gone:
        ask("DELETE", first)
    url = run([sys.executable, "-c", PYTHON[0]], server, place)
    assert (url != first) is gone
    assert_arrived(url)
    # A file that has been sent is sent anew.
    assert run([sys.executable, "-c", PYTHON[0]], server, place) != url


def test_aiotus_goes_on_with_the_url_that_it_kept(server: RunningServer, place: Path) -> None:
    stopped = PYTHON[3].replace("await upload_buffer", "print(url); exit(); await upload_buffer")
    first = run([sys.executable, "-c", stopped], server, place)
    assert ask("HEAD", first).headers["Upload-Offset"] == "0"
    assert run([sys.executable, "-c", PYTHON[3]], server, place) == first
    assert_arrived(first)
    assert not (place / "video.mp4.url").exists()


def test_aiotus_by_steps_takes_a_path_alone(start_server: StartServer, place: Path) -> None:
    server = start_server("--location", "relative")
    assert_arrived(run([sys.executable, "-c", PYTHON[3]], server, place))


def test_curl(server: RunningServer, place: Path) -> None:
    curl = shutil.which("curl")
    version = subprocess.check_output([curl, "--version"], text=True) if curl else ""
    found = re.match(r"curl (\d+)\.(\d+)", version)
    recent = found is not None and (int(found[1]), int(found[2])) >= (7, 84)
    require("curl 7.84 or newer (for %header{...})", recent)
    assert_arrived(run([*SHELL, BASH[0]], server, place))


def test_our_own_command(server: RunningServer, place: Path) -> None:
    said = run([*SHELL, BASH[1]], server, place)
    found = re.fullmatch(r"video\.mp4: (\S+) \(.*checksums verified\)", said)
    assert found is not None, said
    assert_arrived(found[1])


def test_checksum_for_curl(server: RunningServer, place: Path) -> None:
    require("openssl", shutil.which("openssl") is not None)
    done = subprocess.run(
        [*SHELL, BASH[2]], cwd=place, capture_output=True, text=True, timeout=9, check=True
    )
    name, _, value = done.stdout.strip().partition(": ")
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(8 * MIB), name: value}
    headers["Content-Type"] = "application/offset+octet-stream"
    chunks = CONTENT[: 8 * MIB], CONTENT[1 : 8 * MIB + 1]
    answers = [requests.post(server.endpoint, each, headers=headers, timeout=9) for each in chunks]
    assert [answer.status_code for answer in answers] == [201, 460]


def test_tus_js_client(server: RunningServer, place: Path, node: str) -> None:
    call = f"""
import {{ createReadStream }} from 'node:fs'
console.log(await upload(createReadStream({json.dumps(str(place / "video.mp4"))})))
"""
    assert_arrived(run([node, "--input-type=module", "-e", NODE[0] + call], server, place))
