"""Every state store there is, opened on a place that outlives it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from tusd_py.state.opening import open_sqlite
from tusd_py.state.state_store import StateStore


class OpenStore(Protocol):
    """Opens the store of a test; what an earlier opening committed is still there."""

    def __call__(self, **options: Any) -> AbstractAsyncContextManager[StateStore]:
        """Return the store, opened with *options*."""
        ...


def opener(open_store: Callable[..., Awaitable[StateStore]], place: Path) -> OpenStore:
    """Return what opens the store at *place* as often as a test wants."""

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[StateStore]:
        store = await open_store(place, **options)
        try:
            yield store
        finally:
            await store.close()

    return opened


def _strict(place: Path, **options: Any) -> Awaitable[StateStore]:
    return open_sqlite(place / "state.sqlite3", strict=True, **options)


def _relaxed(place: Path, **options: Any) -> Awaitable[StateStore]:
    return open_sqlite(place / "state.sqlite3", strict=False, **options)


STATE_STORES: dict[str, Callable[..., Awaitable[StateStore]]] = {
    "sqlite-strict": _strict,
    "sqlite-relaxed": _relaxed,
}
