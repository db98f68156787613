"""Interface: an exclusive hold with an epoch, whose holder can be asked to let go."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from tusd_py.errors import TransferEnded


class Hold(Protocol):
    """
    The right to change one upload, for as long as the context of `Locker.hold` lasts.

    Attributes:
        epoch: Larger than that of every earlier hold of the upload. The state store refuses what
            comes under an older one (fencing).
    """

    @property
    def epoch(self) -> int:
        """Return the fencing number."""
        ...

    @property
    def wanted(self) -> TransferEnded | None:
        """Return why the holder should let go; None while nobody minds."""
        ...

    def when_wanted(self, callback: Callable[[TransferEnded], None]) -> None:
        """
        Call *callback* with the reason once somebody wants the upload, at once if so already.

        The holder then commits what it has and leaves the context. There is one callback; a
        second call replaces the first.
        """
        ...

    def is_watched(self) -> bool:
        """Tell what `Locker.is_watched` does."""
        ...


class Locker(Protocol):
    """Gives out holds, in the order in which they were asked for."""

    def hold(self, upload_id: str) -> AbstractAsyncContextManager[Hold]:
        """
        Return a context that waits for the upload, asking whoever has it to let go.

        Raises:
            LockTimeout: On entering: the holder did not let go in time.
            ServerStopping: On entering: `stop` was called.
        """
        ...

    def is_held(self, upload_id: str) -> bool:
        """Tell whether somebody has the upload, and would be asked to let go by `hold`."""
        ...

    def watch(self, upload_id: str) -> AbstractContextManager[None]:
        """
        Return a context during which `is_watched` is true, in every process that could hold it.

        It keeps nobody from holding the upload, asks nobody to let go, and ends with the process.
        """
        ...

    def is_watched(self, upload_id: str) -> bool:
        """Tell whether somebody follows the upload, to whom bytes should soon be visible."""
        ...

    def stop(self) -> None:
        """Ask every holder to let go because the server stops, and give out no more holds."""
        ...

    async def close(self) -> None:
        """Give back what the locker itself has; nobody holds anything any more."""
        ...
