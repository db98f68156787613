"""Says what a measure is, and gives it what it needs for one trial."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

from tests.benchmarks.machine import warm_page_cache
from tests.benchmarks.processes import Window
from tests.benchmarks.servers import Kind, Server

#: Which fields of a scale count bytes.
_BYTES = {"large", "stream", "long_stream", "chunk", "small"}

Values = dict[str, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """How large everything is; 1 GB is 10^9 bytes."""

    large: int = 1_000_000_000
    stream: int = 250_000_000
    long_stream: int = 500_000_000
    chunk: int = 8_000_000
    small: int = 16_384
    seconds: float = 3.0
    slow_uploads: int = 1000
    asks: int = 1000
    few_rows: int = 1000
    many_rows: int = 1_000_000
    on_disk: int = 10_000
    spare: int = 400_000_000  # memory that is needed besides the bytes that are sent

    def describe(self, text: str) -> str:
        """Return *text* with the sizes that it names in braces."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        written = {k: _size(v) if k in _BYTES else f"{v:,}" for k, v in named.items()}
        return text.format_map(written)


#: Enough to see that everything works, in a minute.
QUICK = Scale(
    large=40_000_000,
    stream=10_000_000,
    long_stream=20_000_000,
    seconds=0.2,
    slow_uploads=50,
    asks=100,
    few_rows=100,
    many_rows=5000,
    on_disk=100,
    spare=50_000_000,
)


@dataclass(slots=True)
class Trial:
    """
    One server measured once.

    Attributes:
        server: It runs already, on a fresh directory, unless the measure starts it.
        scale: How large everything is.
        source: A file in memory with at least `scale.large` bytes.
        site: Where the server's data is.
        scratch: A directory that stays for the whole run, for what is costly to make.
    """

    server: Server
    scale: Scale
    source: Path
    site: Path
    scratch: Path
    _windows: list[Window] = field(default_factory=list)

    def warm(self, sent: int = 0) -> None:
        """
        Get the machine ready for *sent* bytes.

        This comes before any connection is made: it may take longer than an idle one is kept.
        """
        warm_page_cache(self.site, sent + self.scale.spare)

    @contextmanager
    def window(self) -> Iterator[Window]:
        """Measure what happens inside."""
        with Window(self.server) as window:
            yield window
        self._windows.append(window)

    @property
    def others(self) -> float:
        """Return how many cores were busy with something else while the windows were open."""
        seconds = sum(window.seconds for window in self._windows)
        return sum(window.others for window in self._windows) / seconds if seconds else 0.0


@dataclass(frozen=True, slots=True)
class Metric:
    """
    One column of a table.

    Attributes:
        key: Its name in JSON.
        heading: Its name in tables, with the unit.
        compared: Whether tables show how it stands to the peer's, too.
    """

    key: str
    heading: str
    compared: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """
    Something to measure.

    Attributes:
        key: Its name on the command line and in JSON.
        group: Measures of a group share a table, and a name on the command line.
        title: The table's.
        metrics: The table's columns.
        run: Does it once and returns a value for each metric.
        variant: What tells its rows from those of other measures in the group.
        needs: Abilities without which a server is left out.
        kinds: Whom it makes sense for.
        small_files: Whether it leaves thousands of files, and so wants a fresh file system.
        starts: Whether it starts the server by itself.
        only_full: Whether it takes long and is left to --full.
    """

    key: str
    group: str
    title: str
    metrics: tuple[Metric, ...]
    run: Callable[[Trial], Values]
    variant: str = ""
    needs: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset({Kind.OURS, Kind.PEER})
    small_files: bool = False
    starts: bool = False
    only_full: bool = False

    def suits(self, server: Server) -> bool:
        """Tell whether *server* can be measured."""
        return server.kind in self.kinds and self.needs <= server.abilities


def percentile(values: list[float], percent: float) -> float:
    """Return the value that *percent* of *values* do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def timed(call: Callable[[], object]) -> float:
    """Return how many seconds *call* took."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _size(count: int) -> str:
    if count % 1024 == 0 and count < 1_000_000:
        return f"{count // 1024} KiB"
    return f"{count / 1e9:g} GB" if count >= 1_000_000_000 else f"{count / 1e6:g} MB"
