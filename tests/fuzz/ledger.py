"""
Keeps account of what each upload may hold, given what was sent and what was answered.

An answer leaves one possibility. A request that was cut off, or whose answer was lost, leaves
several; the next offset that the server tells rules most of them out. Where none is left, an
offset shrank, or bytes were kept that nobody sent there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.fuzz.answers import Violation


@dataclass(frozen=True)
class Possible:
    """The upload holds the first bytes of *content*: *least* of them, or more."""

    least: int
    content: bytes

    def allows(self, offset: int) -> bool:
        return self.least <= offset <= len(self.content)


@dataclass
class Entry:
    """
    One upload.

    Attributes:
        path: Where it is.
        length: How long it will be; None where that is not known here.
        possible: What it may hold; empty where nobody can tell any more.
        kind: An ordinary upload, one that is a part of others, or one made of parts.
        standing: Whether it is there, may be, is terminated, or has expired.
        parts: The ids of what a final upload is made of.
        unpredictable: Others may use it at the same time, so no status can be foretold.
    """

    path: str
    length: int | None = None
    possible: tuple[Possible, ...] = (Possible(0, b""),)
    kind: str = "ordinary"
    standing: str = "there"
    parts: tuple[str, ...] = ()
    unpredictable: bool = False

    @property
    def content(self) -> bytes | None:
        """Return what it holds; None where there are several possibilities."""
        if len(self.possible) != 1 or self.possible[0].least != len(self.possible[0].content):
            return None
        return self.possible[0].content

    @property
    def is_finished(self) -> bool:
        content = self.content
        return content is not None and len(content) == self.length

    def observe(self, offset: int) -> None:
        """Note that the server told this offset."""
        self._narrow(
            (
                Possible(offset, each.content[:offset])
                for each in self.possible
                if each.allows(offset)
            ),
            f"the offset is {offset}",
        )

    def append(self, offset: int, body: bytes) -> None:
        """Note that *body* was taken whole at *offset*."""
        self._narrow(
            (
                Possible(offset + len(body), each.content[:offset] + body)
                for each in self.possible
                if each.allows(offset)
            ),
            f"{len(body)} bytes were taken at {offset}",
        )

    def may_append(self, offset: int, body: bytes) -> None:
        """Note that *body* may have been taken at *offset*, or its beginning."""
        added = (
            Possible(offset, each.content[:offset] + body)
            for each in self.possible
            if each.allows(offset) and body
        )
        self.possible = tuple(dict.fromkeys((*self.possible, *added)))

    def declare(self, length: str | None) -> None:
        """Note that the upload is so long, where that was said and is news."""
        if self.length is None and length is not None:
            self.length = int(length)

    def may_declare(self, length: str | None) -> None:
        """Note that the server may have been told a length."""
        if self.length is None and length is not None:
            self.unpredictable = True

    def check(self, data: bytes) -> None:
        """Raise `Violation` where the upload cannot hold just *data*."""
        if self.possible and not any(
            each.allows(len(data)) and each.content.startswith(data) for each in self.possible
        ):
            raise Violation(f"{self} holds {len(data)} other bytes: {data[:200]!r}")

    def _narrow(self, left: Iterable[Possible], claim: str) -> None:
        possible = tuple(dict.fromkeys(left))
        if self.possible and not possible:
            raise Violation(f"{self}: {claim}, which cannot be")
        self.possible = possible

    def __str__(self) -> str:
        ranges = [f"{each.least}-{len(each.content)}" for each in self.possible]
        return f"{self.path} ({self.kind}, {self.standing}, offset {' or '.join(ranges)})"


@dataclass
class Ledger:
    """Every upload that one client knows of, and how many it made without learning where."""

    entries: dict[str, Entry] = field(default_factory=dict)
    unheard: int = 0

    def find(self, upload_id: str) -> Entry | None:
        return self.entries.get(upload_id)

    def add(self, entry: Entry) -> Entry:
        self.entries[entry.path.rpartition("/")[2]] = entry
        return entry

    def add_final(self, path: str, parts: tuple[str, ...]) -> None:
        """Note a new upload made of *parts*."""
        self.settle(self.add(Entry(path, kind="final", possible=(), parts=parts)))

    def settle(self, final: Entry) -> None:
        """Note what a final upload holds, once that can be told."""
        parts = [self.find(part) for part in final.parts]
        contents = [part.content for part in parts if part is not None and part.is_finished]
        whole = b"".join(content for content in contents if content is not None)
        if len(contents) == len(parts) and not final.possible:
            final.length = len(whole)
            final.possible = (Possible(len(whole), whole),)
