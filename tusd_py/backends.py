"""Builds the part that a configured name means; the one file that chooses implementations."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from tusd_py.config.model import Settings
from tusd_py.errors import DataDirectoryError
from tusd_py.locks.epochs import Epochs, base_above
from tusd_py.locks.file import FileLocker, is_supported
from tusd_py.locks.locker import Locker
from tusd_py.locks.memory import MemoryLocker
from tusd_py.locks.postbox import remove_sockets
from tusd_py.state.sqlite import open_sqlite
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_directory import (
    Housekeeping,
    only_server,
    prepare_directories,
    refuse_lost_state,
)
from tusd_py.storage.data_store import JoinableStore
from tusd_py.storage.layout import Layout
from tusd_py.storage.local import LocalStore
from tusd_py.storage.probe import Abilities, probe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Findings:
    """
    What the first process of a server found out, for all of them.

    Attributes:
        abilities: Of the file system below the data directory.
        epoch_base: What every process adds to the clock, so that its epochs are above all that
            are in the state store.
    """

    abilities: Abilities
    epoch_base: int


@dataclass(frozen=True, slots=True)
class Backends:
    """
    The parts that keep things.

    Attributes:
        state: Keeps what is known of uploads.
        data: Keeps their bytes.
        locks: Keeps their writers apart.
        keeps_house: Tells whether this process removes what is over, for all of the server.
    """

    state: StateStore
    data: JoinableStore
    locks: Locker
    keeps_house: Callable[[], bool]


@contextmanager
def claim(settings: Settings) -> Iterator[None]:
    """
    Be the one server of the data directory, making it where it is not there. Blocks.

    Processes that are forked meanwhile share the claim; it ends with the last of them.

    Raises:
        DataDirectoryError: It cannot be used, or another server uses it.
    """
    layout = Layout(settings.data_dir)
    prepare_directories(layout)
    with only_server(layout):
        refuse_lost_state(layout)
        remove_sockets(layout.locks)
        yield


def forget_worker(settings: Settings, pid: int) -> None:
    """Remove what a worker that is gone could not take away itself."""
    remove_sockets(Layout(settings.data_dir).locks, pid)


async def survey(settings: Settings) -> Findings:
    """
    Look at the claimed data directory, bring its state up to date, and log what is in use.

    Raises:
        DataDirectoryError: It cannot be used.
    """
    layout = Layout(settings.data_dir)
    abilities = await asyncio.to_thread(probe, layout)
    direct = _bypasses_page_cache(settings, abilities)
    if settings.io == "direct" and not direct:
        log.warning("The file system cannot bypass the page cache: io=direct has no effect.")
    log.info(
        "Data is kept on %s: %s, %s, durability %s.",
        abilities.file_system or "an unknown file system",
        "space is reserved" if abilities.reserves else "space cannot be reserved",
        "large bodies bypass the page cache" if direct else "all go through the page cache",
        settings.durability,
    )
    state = await open_sqlite(layout.state_file, strict=settings.durability == "strict")
    try:
        return Findings(abilities, base_above(await state.highest_epoch()))
    finally:
        await state.close()


@asynccontextmanager
async def open_backends(settings: Settings, findings: Findings | None) -> AsyncIterator[Backends]:
    """
    Open everything below the data directory, and close it afterwards, the state last.

    Args:
        settings: What is where.
        findings: What `survey` returned to the server that this process is of; None for a guest
            beside it.

    Raises:
        DataDirectoryError: It cannot be used.
    """
    layout = Layout(settings.data_dir)
    strict = settings.durability == "strict"
    state = await open_sqlite(layout.state_file, strict=strict, create=False)
    direct = findings is not None and _bypasses_page_cache(settings, findings.abilities)
    data = LocalStore(layout, strict=strict, direct=direct)
    try:
        housekeeping = Housekeeping(layout)
        locks = _open_locks(settings, layout, findings.epoch_base if findings else 0)
        try:
            yield Backends(state, data, locks, housekeeping.is_ours)
        finally:
            await locks.close()
            housekeeping.close()
    finally:
        await data.close()
        await state.close()


def _open_locks(settings: Settings, layout: Layout, epoch_base: int) -> Locker:
    epochs = Epochs(epoch_base)
    try:
        if is_supported():
            return FileLocker(layout.locks, new_epoch=epochs, timeout=settings.lock_timeout)
        reason = "this system has no locks of open files"
    except OSError as error:
        reason = error.strerror or str(error)
    if settings.process_count > 1:
        raise DataDirectoryError(
            f"Several workers cannot share the data directory {layout.root} ({reason}): put it on"
            " a local file system, or set workers to 1."
        )
    log.warning("Commands such as `rm` cannot ask the server to let go of an upload: %s.", reason)
    return MemoryLocker(new_epoch=epochs, timeout=settings.lock_timeout)


def _bypasses_page_cache(settings: Settings, abilities: Abilities) -> bool:
    """
    Choose how large bodies are written.

    Past the page cache a durable write costs a third of the CPU; without durability the page
    cache is faster than any disk.
    """
    wanted = settings.io == "direct" or (settings.io == "auto" and settings.durability == "strict")
    return wanted and abilities.direct
