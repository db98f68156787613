"""Does what one process of a server does for all of them, again and again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tusd_py.errors import TusError
from tusd_py.uploads.concatenation import Concatenation
from tusd_py.uploads.expiration import Sweeper
from tusd_py.uploads.finishing import Finishing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """
    Removes what is over, and goes on with what was left undone.

    Attributes:
        sweeper: Does the former.
        concatenation: Joins what has its parts.
        finishing: Finishes what has its bytes.
        is_ours: Tells whether this process keeps house.
        interval: Seconds between two rounds.
    """

    sweeper: Sweeper
    concatenation: Concatenation
    finishing: Finishing
    is_ours: Callable[[], bool]
    interval: float

    async def keep(self) -> None:
        """Keep house for ever, beginning with what was left undone."""
        unfinished = (self.concatenation.resume_all, self.finishing.resume_all)
        await self._do(*unfinished)
        while True:
            await asyncio.sleep(self.interval)
            await self._do(self.sweeper.sweep_routinely, *unfinished)

    async def close(self) -> None:
        """Wait for what is under way; the rest is resumed at the next start."""
        await self.concatenation.close()
        await self.finishing.close()

    async def _do(self, *duties: Callable[[], Awaitable[object]]) -> None:
        """Do all of them, if that is for this process to do; one that fails keeps none back."""
        if not self.is_ours():
            return
        for duty in duties:
            try:
                await duty()
            except TusError as error:
                log.error(
                    "Housekeeping failed and is tried again in %gs: %s",
                    self.interval,
                    error.message,
                )
