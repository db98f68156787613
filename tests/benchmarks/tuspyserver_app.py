"""
A program that serves tuspyserver, in the environment that `scripts/bench --peers` makes for it.

Its server is what uvicorn's own documentation recommends: uvloop and httptools, one process.
"""

import socket
import sys
from pathlib import Path

import uvicorn  # type: ignore[import-not-found]  # is in the peer's environment alone
from fastapi import FastAPI  # type: ignore[import-not-found]  # the same
from tuspyserver import create_tus_router  # type: ignore[import-not-found]  # the same


def main(directory: Path) -> None:
    """Listen on a free port, say where, and serve until told to stop."""
    app = FastAPI()
    app.include_router(create_tus_router(prefix="files", files_dir=str(directory)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"Uploads: http://127.0.0.1:{listener.getsockname()[1]}/files/", flush=True)
        config = uvicorn.Config(app, log_level="error", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
