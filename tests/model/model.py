"""What uploads are, told as simply as possible: a dictionary and a clock."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Literal

from tusd_py.protocol.expiration import format_expires

EXPIRE_AFTER = 10 * 3600
KEEP_TOMBSTONES = 20 * 3600


Framing = Literal["length", "chunked"]
Checked = Literal["no", "right", "wrong", "right-trailer", "wrong-trailer", "no-trailer"]


@dataclass(frozen=True)
class Patch:
    """A PATCH to send."""

    path: str
    offset: int
    data: bytes
    framing: Framing
    checked: Checked
    length: int | None

    @property
    def headers(self) -> dict[str, str]:
        headers = {} if self.length is None else {"Upload-Length": str(self.length)}
        if self.checked in ("right", "wrong"):
            headers["Upload-Checksum"] = self.checksum
        return headers

    @property
    def checksum(self) -> str:
        content = self.data if self.checked.startswith("right") else self.data + b"!"
        digest = hashlib.sha1(content, usedforsecurity=False).digest()
        return f"sha1 {base64.b64encode(digest).decode()}"


@dataclass(eq=False)
class Modelled:
    """
    One upload as its client knows it.

    Attributes:
        path: Where it is.
        length: How long it will be; None while that is deferred.
        content: What the server has promised to hold.
        metadata: As it was sent.
        concat: As it was sent.
        parts: What a final upload is made of.
        expires_at: When its time is over; None for never.
        finished: Whether all of it is there.
        swept: Whether it is a tombstone.
        gone: Whether nothing knows it any more.
    """

    path: str
    length: int | None
    content: bytes = b""
    metadata: str | None = None
    concat: str | None = None
    parts: tuple["Modelled", ...] = ()
    expires_at: int | None = None
    finished: bool = False
    swept: bool = False
    gone: bool = False

    def __repr__(self) -> str:
        kind = "final" if self.is_final else self.concat or "upload"
        return f"<{kind} {self.path[-6:]} at {len(self.content)} of {self.length}>"

    @property
    def is_partial(self) -> bool:
        return self.concat == "partial"

    @property
    def is_final(self) -> bool:
        return bool(self.parts)

    @property
    def limit(self) -> int:
        """Return the offset that no byte may pass."""
        return 2**63 - 1 if self.length is None else self.length


@dataclass
class Model:
    """Every upload there ever was, and the time."""

    now: int
    uploads: list[Modelled] = field(default_factory=list)

    # --- What is there ---

    def is_expired(self, upload: Modelled) -> bool:
        return upload.swept or (upload.expires_at is not None and upload.expires_at <= self.now)

    def lives(self, upload: Modelled) -> bool:
        return not upload.gone and not self.is_expired(upload)

    def is_stored(self, upload: Modelled) -> bool:
        return not upload.gone and not upload.swept

    def is_needed(self, upload: Modelled) -> bool:
        """Tell whether a living final upload waits for *upload*."""
        return any(
            upload in final.parts and not final.finished and self.lives(final)
            for final in self.uploads
        )

    def refusal(self, upload: Modelled) -> int | None:
        """Return the status of any request for what does not live; None where it does."""
        if upload.gone:
            return 404
        return 410 if self.is_expired(upload) else None

    def known(self) -> dict[str, Modelled]:
        """Return what the server still has a row for, by its path."""
        return {upload.path: upload for upload in self.uploads if not upload.gone}

    # --- What happens ---

    def create(self, upload: Modelled) -> Modelled:
        """Add an upload; what has all its bytes is finished."""
        self.uploads.append(upload)
        upload.expires_at = self.now + EXPIRE_AFTER
        if not upload.is_final:
            self._finish_if_whole(upload)
        self.join()
        return upload

    def append(self, upload: Modelled, data: bytes, length: int | None = None) -> None:
        """Add *data*, which fits, and declare *length* where it is one."""
        news = bool(data) or (upload.length is None and length is not None)
        upload.content += data
        upload.length = length if upload.length is None else upload.length
        if news:
            upload.expires_at = self.now + EXPIRE_AFTER
            self._finish_if_whole(upload)
            self.join()

    def join(self) -> None:
        """Join the final uploads whose parts are all there."""
        for upload in self.uploads:
            if not upload.is_final or upload.finished or not self.lives(upload):
                continue
            if all(part.finished and self.is_stored(part) for part in upload.parts):
                upload.content = b"".join(part.content for part in upload.parts)
                upload.length = len(upload.content)
                upload.finished = True
                upload.expires_at = None

    def same_final(self, parts: tuple[Modelled, ...]) -> Modelled | None:
        """Return the final upload that the same request made before."""
        for upload in self.uploads:
            if upload.parts == parts and self.lives(upload):
                return upload
        return None

    def sweep(self) -> tuple[int, int]:
        """Remove what is over; return how many uploads, and how many tombstones."""
        stored = [each for each in self.uploads if self.is_stored(each)]
        expired = [each for each in stored if self.is_expired(each) and not self.is_needed(each)]
        for upload in expired:
            upload.swept = True
        before = self.now - KEEP_TOMBSTONES
        forgotten = [
            each
            for each in self.uploads
            if each.swept and not each.gone and (each.expires_at or 0) < before
        ]
        for upload in forgotten:
            upload.gone = True
        return len(expired), len(forgotten)

    # --- What is answered ---

    def expires(self, upload: Modelled) -> dict[str, str]:
        if upload.expires_at is None:
            return {}
        return {"Upload-Expires": format_expires(upload.expires_at)}

    def append_status(self, upload: Modelled, patch: Patch) -> int:
        """Return what *patch* is answered with: the first objection that holds, or none."""
        refusal = self.refusal(upload)
        declares = patch.length is not None and upload.length is None
        limit = patch.length if declares and patch.length is not None else upload.limit
        known = upload.length if upload.length is not None else patch.length
        wrong_length = patch.length not in (None, known) or limit < len(upload.content)
        objections = [
            (refusal or 0, refusal is not None),
            (403, upload.is_final),
            (409, patch.offset != len(upload.content)),
            (400, wrong_length),
            (413, patch.offset + len(patch.data) > limit),
            (460, patch.checked.startswith("wrong")),
            (400, patch.checked == "no-trailer"),
        ]
        return next((status for status, holds in objections if holds), 204)

    def described(self, upload: Modelled) -> dict[str, str]:
        """Return the headers of tus that HEAD answers with."""
        headers = self.expires(upload)
        length = self._length_of(upload)
        if not upload.is_final or upload.finished:
            headers["Upload-Offset"] = str(len(upload.content))
        if length is not None:
            headers["Upload-Length"] = str(length)
        elif not upload.is_final:
            headers["Upload-Defer-Length"] = "1"
        if upload.metadata:
            headers["Upload-Metadata"] = upload.metadata
        if upload.concat:
            headers["Upload-Concat"] = upload.concat
        return headers

    def _length_of(self, upload: Modelled) -> int | None:
        if upload.length is not None or not upload.is_final:
            return upload.length
        lengths = [part.length if self.is_stored(part) else None for part in upload.parts]
        known = [length for length in lengths if length is not None]
        return sum(known) if len(known) == len(lengths) else None

    def _finish_if_whole(self, upload: Modelled) -> None:
        if len(upload.content) == upload.length:
            upload.finished = True
            if not upload.is_partial:
                upload.expires_at = None
