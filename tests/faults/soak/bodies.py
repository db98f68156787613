"""What a request's body looks like on the wire, and what its head says of it."""

import asyncio
import base64
import hashlib
import zlib
from collections.abc import AsyncIterator

from tests.faults.soak.ledger import Record

_OCTETS = "application/offset+octet-stream"


def describe(record: Record, start: int, stop: int, *, spoiled: bool = False) -> dict[str, str]:
    """Return the headers for the bytes from *start* to *stop*; *spoiled* with a wrong checksum."""
    plan = record.plan
    headers = {"Content-Type": _OCTETS}
    if plan.chunked:
        headers["Transfer-Encoding"] = "chunked"
    else:
        headers["Content-Length"] = str(stop - start)
    if plan.algorithm is not None and plan.chunked:
        headers["Trailer"] = "Upload-Checksum"
    elif plan.algorithm is not None:
        headers["Upload-Checksum"] = _checksum(record, plan.algorithm, start, stop, spoiled)
    return headers


async def body(
    record: Record, start: int, stop: int, *, spoiled: bool = False
) -> AsyncIterator[bytes]:
    """Yield the body at the client's own pace, noting what is sent."""
    plan = record.plan
    at = start
    for piece in record.source.pieces(start, stop):
        at += len(piece)
        record.sending(at)
        yield b"%x\r\n%b\r\n" % (len(piece), piece) if plan.chunked else piece
        if plan.pace is not None:
            await asyncio.sleep(len(piece) / plan.pace)
    if plan.chunked:
        trailer = ""
        if plan.algorithm is not None:
            trailer = _checksum(record, plan.algorithm, start, stop, spoiled)
            trailer = f"Upload-Checksum: {trailer}\r\n"
        yield f"0\r\n{trailer}\r\n".encode()


def _checksum(record: Record, algorithm: str, start: int, stop: int, spoiled: bool) -> str:
    data = b"".join(record.source.pieces(start, stop)) + (b"!" if spoiled else b"")
    if algorithm == "crc32":
        digest = zlib.crc32(data).to_bytes(4, "big")
    else:
        digest = hashlib.new(algorithm, data, usedforsecurity=False).digest()
    return f"{algorithm} {base64.b64encode(digest).decode()}"
