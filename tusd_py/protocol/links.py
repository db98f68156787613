"""
Signs links to uploads, and checks them: to download finished ones, or to send one's bytes.

A link is good until its time is over, for whoever has it. Nothing is kept of it: the signature
is an HMAC-SHA256 (RFC 2104) with a key that the server has, too, of this text in UTF-8:

    <purpose> LF <id of the upload> LF <expires>

The purpose is `download` or `upload`. `expires` is in whole seconds since the epoch, in decimal.
The signature is written in lower-case hexadecimal digits.
"""

import hashlib
import hmac
import math
import re
from collections.abc import Iterable
from typing import Final, Literal

from tusd_py.errors import LinkExpired, LinkRefused
from tusd_py.protocol.upload import is_upload_id

EXPIRES: Final = "expires"
SIGNATURE: Final = "signature"
_TIME = re.compile(r"[1-9][0-9]{0,14}")
_DIGEST = re.compile(r"[0-9a-f]{64}")

#: What a link may be for; a signature for one is none for the other.
Purpose = Literal["download", "upload"]


def sign_download(url: str, key: str, *, expires_at: float) -> str:
    """
    Return *url* with what lets anybody read the upload until *expires_at*.

    Args:
        url: Where the upload is, as a client sees it; its path, or its id alone.
        key: One of the lines of the file that `download_keys` names; blanks around it do not count.
        expires_at: Seconds since the epoch; fractions are rounded up.

    Raises:
        ValueError: The URL does not end with an upload's id, or the time is none.
    """
    return _sign("download", url, key, expires_at)


def sign_upload(url: str, key: str, *, expires_at: float) -> str:
    """
    Return *url* with what lets anybody send the upload's bytes until *expires_at*.

    They can also ask for its offset, and nothing else. Arguments and errors are those of
    `sign_download`; the key is one of the file that `upload_keys` names.
    """
    return _sign("upload", url, key, expires_at)


def _sign(purpose: Purpose, url: str, key: str, expires_at: float) -> str:
    upload_id = url.rpartition("/")[2]
    if not is_upload_id(upload_id):
        raise ValueError(f"{url!r} does not end with the id of an upload")
    if not 0 < expires_at < 1e15:  # neither NaN nor infinity
        raise ValueError(f"{expires_at} is no time in seconds since the epoch")
    expires = str(math.ceil(expires_at))
    signature = _signature(purpose, key.strip(), upload_id, expires)
    return f"{url}?{EXPIRES}={expires}&{SIGNATURE}={signature}"


def check_link(
    upload_id: str,
    expires: str,
    signature: str,
    *,
    keys: Iterable[str],
    now: float,
    purpose: Purpose = "download",
) -> None:
    """
    Check the two values of a link to *upload_id*.

    Only whoever has a right signature is told that its time is over.

    Raises:
        LinkRefused: No key made this signature for this upload and this time.
        LinkExpired: It was right once.
    """
    if not (_TIME.fullmatch(expires) and _DIGEST.fullmatch(signature)):
        raise LinkRefused
    # Every key is tried, and each in the same time whatever the digits.
    right = [_signature(purpose, key, upload_id, expires) for key in keys]
    matches = [hmac.compare_digest(signature, each) for each in right]
    if not any(matches):
        raise LinkRefused
    if int(expires) <= now:
        raise LinkExpired


def _signature(purpose: Purpose, key: str, upload_id: str, expires: str) -> str:
    message = f"{purpose}\n{upload_id}\n{expires}"
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()
