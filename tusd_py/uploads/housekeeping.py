"""Does what one process of a server does for all of them, again and again."""

import asyncio
import logging
from collections.abc import Callable
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
        if self.is_ours():
            await self._resume()
        while True:
            await asyncio.sleep(self.interval)
            if self.is_ours():
                await self._tidy()

    async def close(self) -> None:
        """Wait for what is under way; the rest is resumed at the next start."""
        await self.concatenation.close()
        await self.finishing.close()

    async def _tidy(self) -> None:
        try:
            await self.sweeper.sweep_routinely()
            await self._resume()
        except TusError as error:
            log.error(
                "Housekeeping failed and is tried again in %gs: %s", self.interval, error.message
            )

    async def _resume(self) -> None:
        await self.concatenation.resume_all()
        await self.finishing.resume_all()
