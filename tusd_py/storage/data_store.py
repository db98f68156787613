"""Interface: allocate, write, flush (durable from then on), remove; rarer abilities beside it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from tusd_py.protocol.upload import Upload


@dataclass(frozen=True, slots=True)
class StoredData:
    """What the data store has under an id: bytes written so far, and when that last changed."""

    upload_id: str
    size: int
    modified_at: float


class Data(Protocol):
    """One upload's bytes, opened for writing by the one who holds the upload."""

    async def write(self, offset: int, data: memoryview, *, flush: bool = False) -> None:
        """
        Write all of *data* at *offset*; not durable before `flush`, which *flush* asks for too.

        May be called again before it is over: what is asked for later is done later, and a write
        after one that failed fails as well, so that no gap is left.

        Raises:
            StorageFull: There is no room.
            StorageError: The write failed.
        """
        ...

    async def read(self, offset: int, size: int) -> bytes:
        """Return up to *size* bytes from *offset*; fewer only where the data ends."""
        ...

    async def flush(self, *, end: int | None = None) -> None:
        """
        Make everything written durable; with *end*, let the data have no bytes past it.

        Raises:
            StorageFull, StorageError: Nothing written since the last flush may be counted on.
                Every later flush fails, too: open the data anew, and write it again.
        """
        ...


class DataStore(Protocol):
    """Keeps the bytes of uploads under their ids."""

    async def allocate(
        self, upload_id: str, length: int | None, *, witness: Upload | None = None
    ) -> None:
        """
        Make room for an upload, durably, and reserve *length* bytes where that is known.

        A crash leaves either nothing or empty data that no upload owns. What *witness* says is
        kept beside the data as `bear_witness` does.

        Raises:
            StorageFull: There is no room; nothing is left behind.
            StorageError: It could not be made, or the id is taken.
        """
        ...

    def create(self, upload: Upload) -> AbstractAsyncContextManager[Data]:
        """
        Open the data of an upload that is not there yet, and bear witness of it.

        Its first flush makes it durable as `allocate` does, and its bytes with it. Where the
        context ends with an exception nothing is left. Its first use raises what `allocate` does.
        """
        ...

    def open(self, upload_id: str) -> AbstractAsyncContextManager[Data]:
        """Open an upload's data; its first use raises `StorageError` where there is none."""
        ...

    async def remove(self, upload_id: str) -> int:
        """Remove an upload's data, if any, and return how many bytes it had."""
        ...

    async def bear_witness(self, upload: Upload) -> None:
        """
        Keep beside the data what a rebuild of the state needs, as far as the store has room.

        It is a second witness that nothing else rests on, so there is no failure to tell.
        """
        ...

    async def size(self, upload_id: str) -> int | None:
        """
        Return how far bytes were written, or None where there is no such data.

        Raises:
            StorageError: It cannot be asked at the moment, which says nothing about the data.
        """
        ...

    def stored(self) -> AsyncIterator[StoredData]:
        """List everything there is, in no order; what comes or goes meanwhile may be missed."""
        ...

    async def free_bytes(self) -> int | None:
        """Return how many more bytes fit; None where nobody can know."""
        ...

    async def close(self) -> None:
        """Let go of threads and descriptors."""
        ...


class Concatenates(Protocol):
    """A data store that can join uploads without their bytes passing through this process."""

    async def concatenate(self, final_id: str, parts: Sequence[tuple[str, int]]) -> None:
        """
        Fill the allocated *final_id* with the (id, length) *parts* in order, durably.

        May be repeated after a crash: it begins anew.
        """
        ...


class JoinableStore(DataStore, Concatenates, Protocol):
    """A data store that can join uploads."""


@dataclass(frozen=True, slots=True)
class Fault:
    """
    Something about a file that should not be so.

    Attributes:
        code: A stable name.
        file: Its path below the data directory.
        message: What is wrong.
        remedy: What `Inspection.mend` does about it, or what a person has to do.
        can_mend: Whether `mend` does anything.
    """

    code: str
    file: str
    message: str
    remedy: str
    can_mend: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    All that an upload's data tells by itself.

    Attributes:
        upload_id: Whose it is.
        size: How far bytes were written; None where that cannot be seen, for a fault.
        modified_at: When that last changed.
        witness: The upload as it was created, where the store kept that.
        faults: What is wrong with the data's file.
    """

    upload_id: str
    size: int | None
    modified_at: float
    witness: Upload | None
    faults: tuple[Fault, ...] = ()


class Inspection(Protocol):
    """
    Looks closer at stored data than a server needs to, and mends what is not the data itself.

    Each method raises `OSError` where the disk fails, or this process may not look.
    """

    async def faults(self) -> list[Fault]:
        """Return what is wrong beside the uploads' own data."""
        ...

    async def look(self, prefix: str) -> list[Evidence]:
        """Return what there is of uploads whose ids begin with *prefix*, two digits."""
        ...

    async def look_again(self, upload_id: str) -> Evidence | None:
        """Return what there is of one upload now."""
        ...

    async def mend(self, fault: Fault) -> bool:
        """Do what the fault's remedy says; tell whether that worked."""
        ...

    async def bear_witness(self, upload: Upload) -> None:
        """Keep beside its data what is known of *upload*."""
        ...

    async def put_aside(self, upload_id: str) -> str:
        """Move data that no upload owns to where no sweep removes it; return where that is."""
        ...


@runtime_checkable
class HasFiles(Protocol):
    """A data store whose uploads are plain files, which a kernel can send by itself."""

    def file_of(self, upload_id: str) -> Path:
        """Return the file that holds the upload's bytes."""
        ...
