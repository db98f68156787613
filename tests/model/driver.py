"""Asks the real server over HTTP, step by step, from code that is not asynchronous."""

import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

from tests.harness import PATIENCE, Answer, TusServer, patch_head, run_server
from tests.model.model import EXPIRE_AFTER, KEEP_TOMBSTONES, Patch
from tusd_py.config.model import Settings
from tusd_py.protocol.upload import Upload
from tusd_py.server import open_service
from tusd_py.uploads.expiration import SweepReport

_T = TypeVar("_T")

SETTINGS: dict[str, Any] = {"expire_after": EXPIRE_AFTER, "keep_tombstones": KEEP_TOMBSTONES}


class Driver:
    """A server on a data directory of its own, whose time the caller sets."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._directory = Path(tempfile.mkdtemp(prefix="model-"))
        self._runner = asyncio.Runner()
        self._server: TusServer | None = None
        self._running: AsyncExitStack | None = None
        self.start()

    @property
    def server(self) -> TusServer:
        assert self._server is not None
        return self._server

    def do(self, asking: Coroutine[Any, Any, _T]) -> _T:
        """Run until *asking* is answered."""
        return self._runner.run(asking)

    def start(self) -> None:
        self._running = AsyncExitStack()
        running = run_server(self._directory / "data", clock=self._clock, **SETTINGS)
        self._server = self.do(self._running.enter_async_context(running))

    def restart(self) -> None:
        assert self._running is not None
        self.do(self._running.aclose())
        self.start()

    def close(self) -> None:
        assert self._running is not None
        self.do(self._running.aclose())
        self._runner.close()
        shutil.rmtree(self._directory)

    # --- Requests ---

    def create(self, headers: dict[str, str], body: bytes | None) -> Answer:
        return self.do(self.server.request("POST", self.server.prefix, headers, body))

    def head(self, path: str) -> Answer:
        return self.do(self.server.head(path))

    def get(self, path: str) -> Answer:
        return self.do(self.server.get(path))

    def delete(self, path: str) -> Answer:
        return self.do(self.server.delete(path))

    def patch(self, patch: Patch) -> Answer:
        if patch.checked.endswith("trailer"):
            return self.do(self._patch_with_trailer(patch))
        body: Any = patch.data if patch.framing == "length" else _in_pieces(patch.data)
        return self.do(self.server.patch(patch.path, patch.offset, body, patch.headers))

    def cut(self, patch: Patch, sent: int, *, reset: bool) -> None:
        """Send so many bytes of the body, and break off."""
        self.do(self._cut(patch, sent, reset=reset))

    def head_while_writing(self, patch: Patch, sent: int) -> Answer:
        """Send so many bytes of the body, and ask for the offset on another connection."""
        return self.do(self._head_while_writing(patch, sent))

    # --- As an operator ---

    def sweep(self) -> SweepReport:
        return self.do(self._sweep())

    def rows(self) -> list[Upload]:
        return self.do(self._rows())

    async def _sweep(self) -> SweepReport:
        async with open_service(self._settings, exclusive=False, clock=self._clock) as service:
            return await service.sweep(dry_run=False)

    async def _rows(self) -> list[Upload]:
        async with open_service(self._settings, exclusive=False, clock=self._clock) as service:
            return await service.list_uploads()

    @property
    def _settings(self) -> Settings:
        return Settings(data_dir=self._directory / "data", **SETTINGS)

    # --- On raw connections ---

    async def _patch_with_trailer(self, patch: Patch) -> Answer:
        extra = [f"{name}: {value}" for name, value in patch.headers.items()]
        extra += ["Transfer-Encoding: chunked", "Trailer: Upload-Checksum"]
        trailer = "" if patch.checked == "no-trailer" else f"Upload-Checksum: {patch.checksum}\r\n"
        async with self.server.raw() as connection:
            await connection.send(patch_head(patch.path, patch.offset, *extra))
            async for piece in _in_pieces(patch.data):
                await connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            await connection.send(f"0\r\n{trailer}\r\n")
            return await connection.receive()

    async def _cut(self, patch: Patch, sent: int, *, reset: bool) -> None:
        async with self.server.raw() as connection:
            await connection.send(patch_head(patch.path, patch.offset, length=len(patch.data)))
            await connection.send(patch.data[:sent])
            if reset:
                connection.reset()
                return
            connection.writer.write_eof()
            assert await connection.is_closed()

    async def _head_while_writing(self, patch: Patch, sent: int) -> Answer:
        async with self.server.raw() as connection:
            await connection.send(patch_head(patch.path, patch.offset, length=len(patch.data)))
            await connection.send(patch.data[:sent])
            await asyncio.sleep(0.005)
            began = time.monotonic()
            answer = await self.server.head(patch.path)
            assert time.monotonic() - began < PATIENCE / 2
            return answer


async def _in_pieces(data: bytes) -> AsyncIterator[bytes]:
    """Yield *data* in pieces of all sizes, the same ones each time."""
    sizes = random.Random(len(data))
    position = 0
    while position < len(data):
        size = sizes.choice([1, 7, 100, 5000, 100_000])
        yield data[position : position + size]
        position += size
