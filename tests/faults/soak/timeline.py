"""When which fault was under way, so that an answer can be excused by it, or not."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

_FOREVER = float("inf")
#: Spells that ended so long ago, in seconds, excuse nobody any more.
_FORGOTTEN = 300.0
_LATELY = 12


class Fault(StrEnum):
    """What the monkey does; the values are their names among the figures."""

    KILL_WORKER = "workers killed"
    KILL_SERVER = "servers killed"
    FREEZE = "workers stopped for a while"
    RESTART = "restarts"
    ROLL = "workers replaced one by one"
    RELOAD = "reloads"
    FULL = "full-disk spells"


#: After these a request may be over without having come to its end.
ENDS_PROCESSES = frozenset(Fault) - {Fault.FREEZE, Fault.FULL}
#: The server may say no more than this, and only then.
_EXCUSES: dict[int, frozenset[Fault]] = {
    503: frozenset({Fault.RESTART, Fault.ROLL, Fault.RELOAD, Fault.FREEZE}),
    507: frozenset({Fault.FULL}),
}


@dataclass(slots=True)
class Spell:
    """One fault's time."""

    fault: Fault
    began: float
    ended: float = _FOREVER


class Timeline:
    """The faults of the last minutes, by the monotonic clock."""

    def __init__(self) -> None:
        self._spells: deque[Spell] = deque()

    @contextmanager
    def during(self, fault: Fault) -> Iterator[Spell]:
        """Mark *fault* as under way."""
        spell = Spell(fault, time.monotonic())
        self._spells.append(spell)
        try:
            yield spell
        finally:
            spell.ended = time.monotonic()
            while self._spells and self._spells[0].ended < spell.ended - _FORGOTTEN:
                self._spells.popleft()

    def since(self, began: float) -> set[Fault]:
        """Return the faults that were under way at any moment from *began* until now."""
        return {spell.fault for spell in self._spells if spell.ended >= began}

    def lately(self) -> list[str]:
        """Return the last faults for people, the latest at the end."""
        return [
            f"{spell.began:.3f} to {spell.ended:.3f}: {spell.fault}"
            for spell in list(self._spells)[-_LATELY:]
        ]

    def excuses(self, status: int, began: float) -> bool:
        """Tell whether a request sent at *began* may have been answered with *status* now."""
        return bool(_EXCUSES.get(status, frozenset()) & self.since(began))
