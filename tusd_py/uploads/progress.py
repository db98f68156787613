"""Says how far an upload is and how fast it grows, from one look at it after another."""

from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum

from tusd_py.protocol.upload import Upload, UploadState

#: Seconds over which the rate is taken, and the fewest that say anything about it.
_WINDOW = 5.0
_LEAST = 0.5


class End(StrEnum):
    """How an upload ended."""

    FINISHED = "finished"
    TERMINATED = "terminated"
    EXPIRED = "expired"
    REJECTED = "rejected"
    FAILED = "failed"  # its data is damaged or gone, or that of a part which it is made of


@dataclass(frozen=True, slots=True)
class Sight:
    """
    What one look at an upload showed.

    Attributes:
        upload: The upload as committed; None where it is no more.
        size: How far bytes were written, whether or not they count.
        is_held: Whether somebody may be writing at the moment.
        end: How it ended; None while it goes on.
    """

    upload: Upload | None
    size: int = 0
    is_held: bool = False
    end: End | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """
    How far an upload is.

    Attributes:
        offset: Bytes that are sure to stay: a client resumes here.
        received: Those, and what was written since; a crash may take the latter back.
        length: Bytes of the whole; None while nobody said.
        rate: Bytes a second, over the last seconds; None while too little is known.
        seconds_left: How long the rest takes at that rate; None where nobody can know.
        state: Where it stands: an `UploadState`, or its `End`.
        is_held: Whether somebody may be writing at the moment.
        end: How it ended; None while it goes on.
        reason: Why it was rejected; else None.
    """

    offset: int = 0
    received: int = 0
    length: int | None = None
    rate: int | None = None
    seconds_left: float | None = None
    state: str = UploadState.OPEN
    is_held: bool = False
    end: End | None = None
    reason: str | None = None


class Gauge:
    """
    Follows one upload.

    What its data has beyond the offset may be left of a chunk that was never committed, and over
    which the next one is being written; then the size says nothing. It does say how far the
    present writer is once it was seen growing, or where there was nothing beyond the offset.
    """

    def __init__(self) -> None:
        self._progress = Progress()
        self._last: Sight | None = None
        self._size_tells = False
        self._samples: deque[tuple[float, int]] = deque()

    def read(self, sight: Sight, now: float) -> Progress:
        """Return the progress that *sight* shows at the time *now*, in seconds of any clock."""
        if sight.upload is None or sight.end not in (None, End.FINISHED):
            return replace(
                self._progress,
                rate=None,
                seconds_left=None,
                state=sight.end or End.TERMINATED,
                is_held=False,
                end=sight.end or End.TERMINATED,
                reason=sight.upload.rejection if sight.upload is not None else None,
            )
        upload = sight.upload
        received = self._received(upload, sight)
        rate = self._rate(received, now)
        self._last = sight
        self._progress = Progress(
            offset=upload.offset,
            received=received,
            length=upload.length,
            rate=rate,
            seconds_left=_seconds_left(upload, received, rate),
            state=upload.state,
            is_held=sight.is_held,
            end=sight.end,
        )
        return self._progress

    def _received(self, upload: Upload, sight: Sight) -> int:
        shown, last = self._progress.received, self._last
        grew = last is not None and sight.size > last.size
        if upload.state is not UploadState.OPEN or not sight.is_held:
            self._size_tells = False
        elif sight.size <= upload.offset or grew:
            if last is not None and last.size > shown:
                self._samples.clear()  # bytes that came long ago count only now; that is no speed
            self._size_tells = True
        elif last is not None and last.upload is not None:
            # After a commit under another hold, it is another writer who stands still here.
            self._size_tells = self._size_tells and last.upload.epoch == upload.epoch
        received = sight.size if self._size_tells else 0
        received = max(upload.offset, min(received, upload.length or received))
        if received < shown:
            self._samples.clear()  # bytes were lost
        return received

    def _rate(self, received: int, now: float) -> int | None:
        self._samples.append((now, received))
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW:
            self._samples.popleft()
        since, before = self._samples[0]
        if now - since < _LEAST:
            return None
        return round((received - before) / (now - since))


def _seconds_left(upload: Upload, received: int, rate: int | None) -> float | None:
    if upload.is_complete:
        return 0.0
    if upload.length is None or not rate:
        return None
    return round((upload.length - received) / rate, 1)
