"""Builds the part that a configured name means; the one file that chooses implementations."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

from tusd_py.config.model import Settings
from tusd_py.locks.locker import Locker
from tusd_py.locks.memory import MemoryLocker
from tusd_py.state.sqlite import open_sqlite
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_directory import only_server, prepare_directories, refuse_lost_state
from tusd_py.storage.data_store import JoinableStore
from tusd_py.storage.layout import Layout
from tusd_py.storage.local import LocalStore
from tusd_py.storage.probe import probe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backends:
    """
    The parts that keep things.

    Attributes:
        state: Keeps what is known of uploads.
        data: Keeps their bytes.
        locks: Keeps their writers apart.
    """

    state: StateStore
    data: JoinableStore
    locks: Locker


@asynccontextmanager
async def open_backends(settings: Settings, *, exclusive: bool) -> AsyncIterator[Backends]:
    """
    Open everything below the data directory, and close it afterwards, the state last.

    Args:
        settings: What is where.
        exclusive: Whether to be its one server, and to make it where it is not there.

    Raises:
        DataDirectoryError: It cannot be used, or another server uses it.
    """
    layout = Layout(settings.data_dir)
    strict = settings.durability == "strict"
    with ExitStack() as stack:
        if exclusive:
            await asyncio.to_thread(prepare_directories, layout)
            stack.enter_context(only_server(layout))
            await asyncio.to_thread(refuse_lost_state, layout)
        direct = exclusive and await asyncio.to_thread(_choose_direct, settings, layout)
        state = await open_sqlite(layout.state_file, strict=strict, create=exclusive)
        data = LocalStore(layout, strict=strict, direct=direct)
        try:
            first_epoch = await state.highest_epoch() + 1
            locks = MemoryLocker(first_epoch=first_epoch, timeout=settings.lock_timeout)
            yield Backends(state, data, locks)
        finally:
            await data.close()
            await state.close()


def _choose_direct(settings: Settings, layout: Layout) -> bool:
    """
    Choose how large bodies are written, and say in one line of the log what is in use.

    Past the page cache a durable write costs a third of the CPU; without durability the page
    cache is faster than any disk.
    """
    abilities = probe(layout)
    wanted = settings.io == "direct" or (settings.io == "auto" and settings.durability == "strict")
    direct = wanted and abilities.direct
    if settings.io == "direct" and not abilities.direct:
        log.warning("The file system cannot bypass the page cache: io=direct has no effect.")
    log.info(
        "Data is kept on %s: %s, %s, durability %s.",
        abilities.file_system or "an unknown file system",
        "space is reserved" if abilities.reserves else "space cannot be reserved",
        "large bodies bypass the page cache" if direct else "all go through the page cache",
        settings.durability,
    )
    return direct
