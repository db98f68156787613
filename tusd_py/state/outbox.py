"""Interface: what is still to be told of changes, and to whom."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tusd_py.hooks.hook import Compose, Message, Point
from tusd_py.protocol.upload import Upload


@dataclass(frozen=True, slots=True)
class Recording:
    """
    Which changes a state store tells of, together with each change.

    Attributes:
        points: What is told.
        targets: The names of the hooks that are told.
        compose: Writes the message; called on the store's own thread.
        clock: Returns seconds since the epoch.
    """

    points: frozenset[Point]
    targets: tuple[str, ...]
    compose: Compose
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    A message on its way to one hook.

    Attributes:
        sequence: Larger than that of every message before it.
        message: What is told.
        target: The hook's name.
        created_at: When it happened; seconds since the epoch, like every time here.
        since: When the attempts began; with the creation, unless somebody had it tried anew.
        attempts: How often it failed.
        next_at: When it is tried next.
        last_error: Why it failed the last time.
        is_dead: Whether it was given up, and waits for somebody to look at it.
    """

    sequence: int
    message: Message
    target: str
    created_at: float
    since: float
    attempts: int = 0
    next_at: float = 0.0
    last_error: str | None = None
    is_dead: bool = False


class Waiting(NamedTuple):
    """How many deliveries there are, over all hooks."""

    pending: int
    dead: int


class Outbox(Protocol):
    """
    Keeps what is to be told until it has arrived.

    A state store writes into it with each change. All methods that change something return after
    that is durable, and raise `StateError` where the store itself fails.
    """

    def bell(self) -> asyncio.Event:
        """Return a new event that is set whenever this process has committed a message."""
        ...

    async def announce(self) -> None:
        """Keep what is told to whom, for guests beside this server to tell the same."""
        ...

    async def put(self, upload: Upload, point: Point) -> Message | None:
        """Write a message that no change brings about; None where nobody is told anything."""
        ...

    async def due(self, target: str, now: float, limit: int) -> list[Delivery]:
        """
        Return up to *limit* deliveries to *target* whose time has come, the longest due first.

        Of each upload that is the first one pending at most: later ones wait for it.
        """
        ...

    async def delivered(self, delivery: Delivery) -> None:
        """Forget a delivery that has arrived, and its message with the last one."""
        ...

    async def postpone(self, delivery: Delivery, *, until: float, error: str) -> None:
        """Note that an attempt failed, and that the next one is *until* then."""
        ...

    async def bury(self, delivery: Delivery, *, error: str, now: float) -> None:
        """Note that the last attempt failed; later messages of the upload go on."""
        ...

    async def retry(self, event_ids: Sequence[str] | None, now: float) -> int:
        """Have messages tried at once and anew, or all dead ones; return how many deliveries."""
        ...

    async def drop(self, event_ids: Sequence[str] | None) -> int:
        """Forget messages without telling them, or all dead ones; return how many deliveries."""
        ...

    async def deliveries(self, *, limit: int, only_dead: bool = False) -> list[Delivery]:
        """Return up to *limit* deliveries, pending and dead ones, the oldest first."""
        ...

    async def count(self) -> Waiting:
        """Return how many deliveries there are."""
        ...
