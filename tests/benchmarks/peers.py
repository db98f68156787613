"""The servers that this one is measured beside, in one process each and as they come."""

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

from tests.benchmarks.servers import CHECKOUT, HERE, Kind, Server
from tests.benchmarks.wire import listens

_JAVASCRIPT = HERE / "javascript"
_VENV = CHECKOUT / ".bench" / "tuspyserver"


class TusNodeServer(Server):
    """@tus/server with its file store."""

    key = "tus-node"
    kind = Kind.PEER

    @property
    def label(self) -> str:
        package = _JAVASCRIPT / "node_modules" / "@tus" / "server" / "package.json"
        return f"@tus/server {json.loads(package.read_text())['version']}"

    def command(self, directory: Path) -> list[str]:
        return ["node", str(_JAVASCRIPT / "server.mjs"), str(directory)]

    def missing(self) -> str | None:
        if shutil.which("node") is None:
            return "@tus/server needs Node.js 20 or newer. As root: apt-get install nodejs npm"
        if not (_JAVASCRIPT / "node_modules" / "@tus").is_dir():
            return f"@tus/server is not installed: npm ci --prefix {_JAVASCRIPT}"
        return None


class Tuspyserver(Server):
    """tuspyserver on FastAPI and uvicorn."""

    key = "tuspyserver"
    kind = Kind.PEER

    @property
    def label(self) -> str:
        (found,) = _VENV.glob("lib/python*/site-packages/tuspyserver-*.dist-info")
        return found.name.removesuffix(".dist-info").replace("-", " ")

    def command(self, directory: Path) -> list[str]:
        return [str(_VENV / "bin" / "python"), str(HERE / "tuspyserver_app.py"), str(directory)]

    def missing(self) -> str | None:
        if any(_VENV.glob("lib/python*/site-packages/tuspyserver-*.dist-info")):
            return None
        return f"tuspyserver is not installed in {_VENV}: scripts/bench --peers does it"


class Tusd(Server):
    """tusd, from a binary that is there already; without its logs, metrics and profiler."""

    key = "tusd"
    kind = Kind.PEER

    def __init__(self, binary: Path) -> None:
        super().__init__()
        self._binary = binary
        self._port = 0

    @property
    def label(self) -> str:
        return f"tusd {self._version()}".strip()

    def command(self, directory: Path) -> list[str]:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        address = ["-host", "127.0.0.1", "-port", str(self._port), "-base-path", "/files/"]
        quiet = ["-verbose=false", "-show-greeting=false"]
        bare = ["-expose-metrics=false", "-expose-pprof=false"]
        return [str(self._binary), *address, *quiet, *bare, "-upload-dir", str(directory)]

    def listening_at(self, log: Path) -> str | None:
        url = f"http://127.0.0.1:{self._port}/files/"
        return url if listens(url) else None

    def missing(self) -> str | None:
        if shutil.which(self._binary) is None:
            return f"tusd is not there: {self._binary} cannot be run"
        return None

    def _version(self) -> str:
        """Return what it says of itself; a build by `go install` knows only its module."""
        said = subprocess.run(
            [self._binary, "-version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
        found = re.search(r"Version: *v?(\d\S*)", said)
        if found:
            return found[1]
        module = re.search(rb"mod\tgithub\.com/tus/tusd/v2\tv([\d.]+)", self._binary.read_bytes())
        return module[1].decode() if module else ""
