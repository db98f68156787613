"""Where uploads are published may change with SIGHUP; what cannot be used stops nothing."""

from pathlib import Path

from tests.clients.conftest import StartServer
from tests.clients.running_server import RunningServer, ask

OCTETS = {"Content-Type": "application/offset+octet-stream", "Upload-Length": "3"}


def publish_in(file: Path, directory: Path) -> None:
    file.write_text(f"publish: link\npublish_directory: {directory}\npublish_path: '{{id}}'\n")


def upload(server: RunningServer) -> str:
    """Upload three bytes, and return the upload's id."""
    answer = ask("POST", server.endpoint, OCTETS, b"abc")
    assert answer.status == 201
    return answer.headers["Location"].rpartition("/")[2]


def test_directory_changes_with_a_reload(start_server: StartServer, tmp_path: Path) -> None:
    file, first, second = tmp_path / "settings.yaml", tmp_path / "first", tmp_path / "second"
    publish_in(file, first)
    server = start_server("--config", str(file))
    assert (first / upload(server)).read_bytes() == b"abc"

    second.write_text("in the way")
    publish_in(file, second)
    server.reload()
    assert "The settings stay as they are: publish_directory" in server.log()
    assert (first / upload(server)).read_bytes() == b"abc"

    second.unlink()
    server.reload()
    assert (second / upload(server)).read_bytes() == b"abc"
