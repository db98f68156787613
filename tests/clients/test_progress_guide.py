"""What docs/progress.md shows for a page with a token: it runs, and sees an upload to its end."""

import re
import subprocess
from pathlib import Path

from tests.clients.conftest import StartServer
from tests.clients.running_server import CHECKOUT, ask
from tusd_py.auth.tokens import new_token, token_line

TEXT = (CHECKOUT / "docs/progress.md").read_text(encoding="utf-8")
[EVENTS_OF] = re.findall(r"^```js\n(export .*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
WATCH = """
const [, url, token] = process.argv
for await (const { event, received } of eventsOf(url, token)) console.log(`${event} ${received}`)
"""
OCTETS = {"Content-Type": "application/offset+octet-stream"}


def test_events_come_by_fetch_with_a_token(
    start_server: StartServer, tmp_path: Path, node: str
) -> None:
    token = new_token()
    (tmp_path / "tokens").write_text(token_line(token, "alice"))
    server = start_server("--auth", "tokens", "--auth-tokens", "tokens")
    bearer = {"Authorization": f"Bearer {token}"}
    created = ask("POST", server.endpoint, {"Upload-Length": "5", **bearer})
    url = server.endpoint + created.headers["Location"].rpartition("/")[2]

    command = [node, "--input-type=module", "-e", EVENTS_OF + WATCH, url]
    with subprocess.Popen([*command, token], stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "progress 0\n"
        assert ask("PATCH", url, {**OCTETS, "Upload-Offset": "0", **bearer}, b"hello").status == 204
        printed, _ = watching.communicate(timeout=20)
    assert printed.splitlines()[-1] == "finished 5"
    assert watching.returncode == 0

    refused = subprocess.run(
        [*command, "wrong"], capture_output=True, text=True, timeout=20, check=False
    )
    assert "The server answered 401." in refused.stderr
