"""Builds the part that a configured name means; the one file that chooses implementations."""

from dataclasses import dataclass

from tusd_py.config.model import Settings
from tusd_py.locks.memory import MemoryLocker
from tusd_py.state.sqlite import open_sqlite
from tusd_py.state.state_store import StateStore
from tusd_py.storage.layout import Layout
from tusd_py.storage.local import LocalStore
from tusd_py.uploads.concatenation import JoinableStore


@dataclass(frozen=True, slots=True)
class Backends:
    """
    The parts that keep things.

    Attributes:
        state: Keeps what is known of uploads.
        data: Keeps their bytes.
        locks: Keeps their writers apart.
        new_state: Whether the state was made just now.
    """

    state: StateStore
    data: JoinableStore
    locks: MemoryLocker
    new_state: bool

    async def close(self) -> None:
        """Close the parts, the state last."""
        await self.data.close()
        await self.state.close()


async def open_backends(settings: Settings, layout: Layout) -> Backends:
    """
    Open everything below the data directory, whose directories exist.

    Raises:
        DataDirectoryError: It cannot be used.
    """
    strict = settings.durability == "strict"
    new_state = not layout.state_file.exists()
    state = await open_sqlite(layout.state_file, strict=strict)
    locks = MemoryLocker(first_epoch=await state.highest_epoch() + 1, timeout=settings.lock_timeout)
    return Backends(state, LocalStore(layout, strict=strict), locks, new_state)
