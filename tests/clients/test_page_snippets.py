"""What the page at / says about tuspy and curl works when it is copied."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tusd_py
from tests.clients.conftest import MIB, MakeFile, require
from tests.clients.running_server import RunningServer, ask, create

SNIPPETS = Path(tusd_py.__file__).parent / "page" / "snippets.js"
PRINT = """
const { snippets } = await import(process.argv[1])
console.log(JSON.stringify(snippets(process.argv[2])))
"""
SECONDS = 30


@pytest.fixture
def snippets(node: str, server: RunningServer) -> dict[str, str]:
    """The code for each client."""
    command = [node, "--input-type=module", "--eval", PRINT, SNIPPETS.as_uri(), server.endpoint]
    printed = subprocess.run(command, capture_output=True, check=True, timeout=SECONDS)
    return dict(json.loads(printed.stdout))


@pytest.fixture
def photo(make_file: MakeFile) -> Path:
    """The file that the code uploads."""
    file = make_file(3 * MIB + 1)
    return file.rename(file.with_name("photo.jpg"))


def run(photo: Path, *command: str) -> str:
    """Run a command beside the photo, and give the last line that it printed."""
    done = subprocess.run(
        command, cwd=photo.parent, capture_output=True, check=True, text=True, timeout=SECONDS
    )
    assert done.stderr == ""
    return done.stdout.splitlines()[-1]


def shell() -> str:
    require("curl", shutil.which("curl") is not None)
    bash = shutil.which("bash")
    assert bash is not None
    return bash


def test_tuspy(snippets: dict[str, str], photo: Path) -> None:
    url = run(photo, sys.executable, "-c", snippets["tuspy"])
    assert ask("GET", url).body == photo.read_bytes()


def test_curl(snippets: dict[str, str], photo: Path, server: RunningServer) -> None:
    url = run(photo, shell(), "-euc", snippets["curl"])
    assert url.startswith(server.endpoint)
    assert ask("GET", url).body == photo.read_bytes()
    assert "photo.jpg" in ask("GET", url).headers["Content-Disposition"]


def test_curl_resumes(snippets: dict[str, str], photo: Path, server: RunningServer) -> None:
    _, _, second_part = snippets["curl"].partition("\n# Send")
    content = photo.read_bytes()
    url = create(server, len(content))
    half = photo.with_name("half")
    half.write_bytes(content[: len(content) // 2])

    for file in (half, photo):
        run(photo, shell(), "-euc", f"file={file.name} upload={url}\n# {second_part}")
    assert ask("GET", url).body == content
