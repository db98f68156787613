"""The page at / in Chromium: what it is for works, survives, and stays within its policy."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import PAGE, MakeFiles, Play
from tests.clients.conftest import MakeFile, StartServer, require
from tests.clients.running_server import RunningServer, ask
from tests.proxies.nginx import find_nginx, running_nginx
from tusd_py.web.page import PLAIN

MIB = 2**20

pytestmark = pytest.mark.usefixtures("built")


def page_of(server: RunningServer) -> str:
    return server.endpoint.removesuffix("files/")


def task_of(server: RunningServer, paths: list[Path]) -> dict[str, Any]:
    return {"url": page_of(server), "files": [str(path) for path in paths]}


def content(url: str) -> bytes:
    answer = ask("GET", url)
    assert answer.status == 200
    return answer.body


def offset(url: str) -> int:
    answer = ask("HEAD", url)
    assert answer.status == 200
    return int(answer.headers["Upload-Offset"])


def patches(requests: list[dict[str, Any]], url: str) -> list[int]:
    """Give the offsets at which bytes were sent to an upload."""
    return [each["offset"] for each in requests if (each["method"], each["url"]) == ("PATCH", url)]


def test_ten_files_are_uploaded_listed_and_forgotten_when_removed(
    server: RunningServer, make_files: MakeFiles, play: Play
) -> None:
    paths = make_files(300_000, *(f"file {number}.bin" for number in range(10)))
    scene = play("page_many_files", task_of(server, paths))

    done = scene.expect("finished")
    assert {file["name"] for file in done["files"]} == {path.name for path in paths}
    by_name = {path.name: path for path in paths}
    for file in done["files"]:
        assert content(file["url"]) == by_name[file["name"]].read_bytes()
    assert done["downloaded"] == done["files"][0]["name"]

    removed = done["files"][3]
    assert ask("DELETE", removed["url"]).status == 204
    scene.tell("removed")
    reloaded = scene.expect("reloaded")
    assert reloaded["files"] == [file for file in done["files"] if file != removed]
    # The browser reports every answer that is not a success, such as that of the removed one.
    assert [each for each in reloaded["problems"] if removed["url"] not in each] == []


def test_an_upload_pauses_resumes_and_is_cancelled(
    server: RunningServer, make_files: MakeFiles, play: Play
) -> None:
    paths = make_files(4 * MIB, "first.bin", "second.bin")
    scene = play("page_pause", task_of(server, paths))

    url = scene.expect("paused")["url"]
    paused_at = offset(url)
    assert 0 < paused_at < 4 * MIB
    assert offset(url) == paused_at
    scene.tell("resume")

    resumed = scene.expect("resumed")
    assert resumed["files"] == [{"name": "first.bin", "url": url}]
    assert patches(resumed["requests"], url) == [0, paused_at]
    assert content(url) == paths[0].read_bytes()

    cancelled = scene.expect("cancelled")
    assert cancelled["status"] == 204
    assert ask("HEAD", cancelled["url"]).status == 404
    assert cancelled["files"] == resumed["files"]
    assert cancelled["problems"] == []


def test_uploads_go_on_after_a_reload(
    server: RunningServer, make_files: MakeFiles, tmp_path: Path, play: Play
) -> None:
    (kept,) = make_files(30 * MIB, "kept.bin")
    large = tmp_path / "large.bin"
    large.write_bytes(b"begin")
    with large.open("r+b") as file:
        file.truncate(101 * MIB)
    task = {"url": page_of(server), "kept": str(kept), "large": str(large)}

    done = play("page_reload", task).expect("finished")
    assert {file["name"] for file in done["files"]} == {"kept.bin", "large.bin"}
    assert [each["method"] for each in done["requests"] if each["method"] == "POST"] == []
    for file in done["files"]:
        (resumed_at,) = patches(done["requests"], file["url"])
        assert resumed_at > 0
        assert content(file["url"]) == (tmp_path / file["name"]).read_bytes()
    assert done["problems"] == []


def test_an_upload_goes_on_when_the_server_is_killed_and_comes_back(
    start_server: StartServer, make_files: MakeFiles, play: Play
) -> None:
    server = start_server("--checkpoint-interval", "100ms")
    (path,) = make_files(8 * MIB, "file.bin")
    scene = play("page_restart", {"url": page_of(server), "file": str(path)})

    scene.expect("sending")
    server.kill()
    scene.tell("dead")
    scene.expect("noticed")
    server.start()
    scene.tell("alive")

    done = scene.expect("finished")
    (file,) = done["files"]
    assert content(file["url"]) == path.read_bytes()
    assert patches(done["requests"], file["url"])[-1] > 0
    assert [each["method"] for each in done["requests"] if each["method"] == "POST"] == []
    assert [each for each in done["problems"] if "Failed to load resource" not in each] == []


def test_a_second_window_watches(server: RunningServer, make_files: MakeFiles, play: Play) -> None:
    paths = make_files(8 * MIB, "first.bin", "second.bin")
    scene = play("page_watch", task_of(server, paths))

    done = scene.expect("finished")
    (file,) = done["files"]
    assert done["name"] == "first.bin"
    assert done["link"] == file["url"]
    assert done["seen"] == sorted(done["seen"])
    assert len(set(done["seen"])) >= 4
    assert done["seen"][-1] == 1
    # Whoever watches never makes the writer let go.
    assert [each["method"] for each in done["requests"]] == ["POST", "PATCH"]
    assert content(file["url"]) == paths[0].read_bytes()

    assert scene.expect("cancelled")["problems"] == []


def test_a_keyboard_is_enough(server: RunningServer, make_files: MakeFiles, play: Play) -> None:
    (path,) = make_files(300_000, "by-keyboard.bin")
    done = play("page_keyboard", {"url": page_of(server), "file": str(path)}).expect("finished")

    assert done["skipped"] == "main"
    assert done["hidden"] == []
    assert done["heard"] == "by-keyboard.bin is uploaded."
    assert f"'{server.endpoint}'" in done["copied"]
    assert "" not in done["names"]
    assert done["problems"] == []


def test_it_works_below_a_prefix_that_a_proxy_takes_away(
    start_server: StartServer, make_files: MakeFiles, tmp_path: Path, play: Play
) -> None:
    require("nginx", find_nginx() is not None)
    server = start_server("--trusted-proxies", "127.0.0.1")
    (path,) = make_files(300_000, "by-keyboard.bin")
    upstream = server.endpoint.removesuffix("/files/")
    with running_nginx(tmp_path, upstream, prefix="/storage") as root:
        url = f"{root}/storage/"
        done = play("page_keyboard", {"url": url, "file": str(path)}).expect("finished")
    assert f"'{url}files/'" in done["copied"]
    assert done["problems"] == []


def test_code_for_browsers_works_when_it_is_copied(
    server: RunningServer, make_files: MakeFiles, play: Play
) -> None:
    (path,) = make_files(300_000, "copied.bin")
    scene = play("page_snippets", {"url": page_of(server), "file": str(path)})
    for client in ("tus-js-client", "uppy"):
        assert content(scene.expect(client)["url"]) == path.read_bytes()


def test_it_fits_every_width_and_scheme(
    server: RunningServer, make_file: MakeFile, play: Play
) -> None:
    scene = play("page_looks", {"url": page_of(server), "file": str(make_file(1000))})
    for scheme, reduced in (("light", False), ("dark", True), ("light", True), ("dark", False)):
        seen = scene.expect("seen")
        assert seen["overflow"] <= 0
        assert seen["ground"] > 200 if scheme == "light" else seen["ground"] < 50
        assert seen["dashboard"] == scheme
        assert (seen["moving"] == 0) is reduced
        assert seen["problems"] == []


def test_names_and_links_of_strangers_do_no_harm(
    server: RunningServer, make_files: MakeFiles, play: Play
) -> None:
    (path,) = make_files(1000, "<img src=x onerror=alert(1)><i>a.html")
    task = {
        "url": page_of(server),
        "file": str(path),
        "watched": [
            *("", "javascript:alert(1)", "https://example.org/files/" + 32 * "a", "files/"),
            *("/healthz", "/files/../healthz", "//example.org/files/" + 32 * "a"),
            "/files/" + 31 * "a" + "?",
        ],
        "plain": {name: (PAGE / name).read_text() for name in PLAIN},
    }
    scene = play("page_hostile", task)

    named = scene.expect("named")
    assert [file["name"] for file in named["files"]] == [path.name]
    assert named["made"] == 0
    watched = scene.expect("watched")
    assert (watched["asked"], watched["problems"]) == ([], [])

    plain = scene.expect("plain")
    assert plain["problems"] == []
    assert "tus-js-client" in plain["text"]
    assert server.endpoint in plain["text"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--no-downloads"], "This server does not offer downloads."),
        (["--download-keys", "keys"], "Downloads from this server need a signed link"),
    ],
)
def test_there_are_no_links_where_they_would_lead_nowhere(
    start_server: StartServer,
    make_file: MakeFile,
    tmp_path: Path,
    play: Play,
    flags: list[str],
    said: str,
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{'0123456789abcdef' * 4}\n")
    keys.chmod(0o600)
    server = start_server(*flags)  # in the directory of the keys
    scene = play("page_no_links", {"url": page_of(server), "file": str(make_file(1000))})
    seen = scene.expect("finished")
    assert seen["links"] == []
    assert said in seen["text"]
    assert seen["problems"] == []
