"""
Keeps the keys that an identity provider publishes at a URL (JWKS, RFC 7517).

A key that nobody has heard of makes it look again, though not more often than every few seconds:
anybody can make up names of keys. While the provider is down, the keys that are known stay good;
whether others are cannot be told, so who brings one has to come back.
"""

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Collection
from typing import Final

from tusd_py.auth.outgoing import Outgoing
from tusd_py.auth.verifying_keys import VerifyingKey, read_key_set
from tusd_py.errors import AuthUnavailable

log = logging.getLogger(__name__)

#: Seconds after which the keys are looked at again: so long a key that was taken back is good.
FRESH_FOR: Final = 300.0
#: Seconds between two requests to the provider.
LOOK_EVERY: Final = 10.0


class PublishedKeys:
    """
    The keys at one URL.

    Args:
        provider: Who is asked for them.
        algorithms: Those that tokens may be signed with.
        clock: Returns seconds that only go on.
    """

    def __init__(
        self,
        provider: Outgoing,
        algorithms: Collection[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider = provider
        self._algorithms = frozenset(algorithms)
        self._clock = clock
        self._keys: tuple[VerifyingKey, ...] = ()
        self._read_at = -math.inf
        self._asked_at = -math.inf
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> tuple[VerifyingKey, ...]:
        """
        Return the keys called *key_id*; all of them where a token names none.

        Nothing means that the provider was asked just now, and has no such key.

        Raises:
            AuthUnavailable: That cannot be told at the moment.
        """
        found = self._known(key_id)
        if not found:
            await self._read()
            return self._known(key_id)
        if self._clock() - self._read_at >= FRESH_FOR and self._may_ask():
            self._start()  # those that are known are good enough meanwhile
        return found

    async def close(self) -> None:
        """Stop asking."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _known(self, key_id: str | None) -> tuple[VerifyingKey, ...]:
        if key_id is None:
            return self._keys
        return tuple(key for key in self._keys if key.key_id == key_id)

    def _may_ask(self) -> bool:
        return self._clock() - self._asked_at >= LOOK_EVERY

    async def _read(self) -> None:
        """Ask the provider, or wait for the answer that somebody else waits for."""
        if self._reading is None and not self._may_ask():
            wait = math.ceil(self._asked_at + LOOK_EVERY - self._clock())
            raise AuthUnavailable("the keys at jwks_url were asked for just now", retry_after=wait)
        # Whoever gives up waiting must not take the answer away from the others.
        await asyncio.shield(self._start())

    def _start(self) -> "asyncio.Task[None]":
        if self._reading is None:
            self._asked_at = self._clock()
            self._reading = asyncio.create_task(self._fetch())
            self._reading.add_done_callback(self._done)
        return self._reading

    def _done(self, reading: "asyncio.Task[None]") -> None:
        self._reading = None
        if reading.cancelled():
            return
        error = reading.exception()
        if isinstance(error, AuthUnavailable):
            log.error("The keys that verify tokens stay as they are: %s", error.reason)
        elif error is not None:
            log.error("The keys that verify tokens could not be read.", exc_info=error)

    async def _fetch(self) -> None:
        reply = await self._provider.get()
        if reply.status != 200:
            raise AuthUnavailable(f"jwks_url answered {reply.status}")
        try:
            keys = read_key_set(json.loads(reply.body), self._algorithms)
        except (ValueError, RecursionError) as error:
            raise AuthUnavailable(f"what jwks_url answered {error}") from error
        if not keys:
            raise AuthUnavailable("jwks_url has no key that fits jwt_algorithms")
        self._keys, self._read_at = keys, self._clock()
