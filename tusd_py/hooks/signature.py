"""
Signs what hooks are told over HTTP, and checks that.

The header has the time and a signature for each key, so that a receiver that knows one of them
can check it: `t=1700000000,v1=HEX,v1=HEX`. Each is the HMAC-SHA256 of the time, a dot and the body.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

HEADER: Final = "Tusd-Py-Signature"
#: Seconds by which a message may be old, or clocks differ.
_TOLERANCE: Final = 300


def sign(body: bytes, keys: Sequence[str], *, now: float) -> str:
    """Return what the header says of *body*."""
    moment = int(now)
    return ",".join([f"t={moment}", *(f"v1={_digest(body, key, moment)}" for key in keys)])


def verify(
    header: str, body: bytes, key: str, *, now: float, tolerance: float = _TOLERANCE
) -> bool:
    """Tell whether *header* is the signature of *body* with *key*, and not an old one."""
    pairs = [part.partition("=")[::2] for part in header.split(",")]
    times = [value for name, value in pairs if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdecimal()):
        return False
    moment = int(times[0])
    if abs(now - moment) > tolerance:
        return False
    right = _digest(body, key, moment)
    return any(
        name == "v1" and hmac.compare_digest(right.encode(), value.encode())
        for name, value in pairs
    )


def _digest(body: bytes, key: str, moment: int) -> str:
    return hmac.new(key.encode(), b"%d.%b" % (moment, body), hashlib.sha256).hexdigest()
