"""tus-js-client uploads through nginx: parts behind a prefix, and a server that restarts."""

from pathlib import Path

import pytest

from tests.clients.conftest import MIB, MakeFile
from tests.clients.running_server import RunningServer
from tests.clients.test_tus_js_client import StartUpload, assert_arrived
from tests.proxies.conftest import StartNginx, upstream_of
from tests.proxies.nginx import location_lines, wait_for_access

#: Repairs a Location that lacks the prefix, which the server never hears of.
REDIRECT = "proxy_redirect /files/ /storage/files/;"


def test_parts_are_joined_behind_a_prefix_unknown_to_the_server(
    server: RunningServer, start_nginx: StartNginx, start_upload: StartUpload, make_file: MakeFile
) -> None:
    nginx = start_nginx(server, prefix="/storage", lines=location_lines() + REDIRECT)
    file = make_file(9 * MIB + 3)

    report = start_upload(
        server, file, endpoint=f"{nginx}/storage/files/", parallelUploads=4, chunkSize=MIB
    ).expect("success")

    assert_arrived(report.url, file)
    final = report.of("POST")[-1]["concat"]
    assert final.startswith(f"final;{nginx}/storage/files/")
    assert upstream_of(server) not in final


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_upload_outlives_its_server(
    mortal: RunningServer,
    start_nginx: StartNginx,
    start_upload: StartUpload,
    make_file: MakeFile,
    tmp_path: Path,
    end: str,
) -> None:
    file = make_file(8 * MIB + 1)
    endpoint = f"{start_nginx(mortal)}/files/"
    upload = start_upload(mortal, file, {"stallAt": 5 * MIB}, endpoint=endpoint)
    upload.expect("stalled")

    getattr(mortal, end)()
    wait_for_access(tmp_path, '"HEAD ')  # the client has asked, and found nobody but nginx
    mortal.start()

    report = upload.expect("success")
    assert_arrived(report.url, file)
    assert [request["status"] for request in report.of("POST")] == [201]
    assert report.of("HEAD")[0]["status"] == 423


def test_a_502_makes_the_client_begin_anew(
    mortal: RunningServer,
    start_nginx: StartNginx,
    start_upload: StartUpload,
    make_file: MakeFile,
    tmp_path: Path,
) -> None:
    lines = location_lines().replace("error_page ", "# error_page ")
    file = make_file(8 * MIB + 1)
    endpoint = f"{start_nginx(mortal, lines=lines)}/files/"
    upload = start_upload(mortal, file, {"stallAt": 5 * MIB}, endpoint=endpoint)
    upload.expect("stalled")

    mortal.kill()
    wait_for_access(tmp_path, '"HEAD ')
    mortal.start()

    report = upload.expect("success")
    assert_arrived(report.url, file)
    statuses = [request.get("status") for request in report.of("POST")]
    assert statuses.count(201) == 2, "the upload that was there already is left behind"
