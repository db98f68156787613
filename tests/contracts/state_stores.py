"""Every state store there is, opened on a place that outlives it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from tusd_py.state.opening import open_sqlite
from tusd_py.state.state_store import StateStore

#: Opens the store of a test; what an earlier opening committed is still there.
OpenStore = Callable[[], AbstractAsyncContextManager[StateStore]]


def opener(open_store: Callable[[Path], Awaitable[StateStore]], place: Path) -> OpenStore:
    """Return what opens the store at *place* as often as a test wants."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[StateStore]:
        store = await open_store(place)
        try:
            yield store
        finally:
            await store.close()

    return opened


def _strict(place: Path) -> Awaitable[StateStore]:
    return open_sqlite(place / "state.sqlite3", strict=True)


def _relaxed(place: Path) -> Awaitable[StateStore]:
    return open_sqlite(place / "state.sqlite3", strict=False)


STATE_STORES: dict[str, Callable[[Path], Awaitable[StateStore]]] = {
    "sqlite-strict": _strict,
    "sqlite-relaxed": _relaxed,
}
