"""Reads Upload-Checksum and hashes a chunk as it passes."""

import base64
import binascii
import hashlib
import hmac
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import google_crc32c

from tusd_py.errors import InvalidHeader, UnsupportedChecksumAlgorithm
from tusd_py.protocol.headers import UPLOAD_CHECKSUM

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


class Hasher(Protocol):
    """Takes bytes in order and tells their digest; `hashlib`'s objects are such."""

    def update(self, data: memoryview, /) -> None:
        """Add *data*."""
        ...

    def digest(self) -> bytes:
        """Return the digest of everything added so far, most significant byte first."""
        ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class _Crc32c:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        # The C extension takes bytes alone.
        self._value = google_crc32c.extend(self._value, bytes(data))

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def _hashlib(name: str) -> Callable[[], Hasher]:
    # A checksum against line noise, not against an attacker: FIPS builds may still offer md5.
    return lambda: hashlib.new(name, usedforsecurity=False)


_HASHERS: Final[dict[str, tuple[Callable[[], Hasher], int]]] = {
    "crc32": (_Crc32, 4),
    "crc32c": (_Crc32c, 4),
    "md5": (_hashlib("md5"), 16),
    "sha1": (_hashlib("sha1"), 20),
    "sha256": (_hashlib("sha256"), 32),
    "sha512": (_hashlib("sha512"), 64),
}

#: Every algorithm there is. "The Server MUST support at least the SHA1 checksum algorithm
#: identified by sha1"; names are lower-case ASCII (tus 1.0.0, Checksum).
ALGORITHMS: Final = tuple(_HASHERS)


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the client says its chunk hashes to."""

    algorithm: str
    digest: bytes

    def hasher(self) -> Hasher:
        """Return a fresh hasher for the algorithm."""
        return _HASHERS[self.algorithm][0]()

    def matches(self, hasher: Hasher) -> bool:
        """Tell whether what *hasher* took hashes to what the client said."""
        return hmac.compare_digest(self.digest, hasher.digest())


def parse_checksum(header: str, algorithms: tuple[str, ...]) -> Checksum:
    """
    Read an Upload-Checksum header: an algorithm's name, a space, and the digest in Base64.

    Raises:
        UnsupportedChecksumAlgorithm: The algorithm is not among *algorithms*.
        InvalidHeader: The digest is missing, not Base64, or of another length than the
            algorithm's.
    """
    algorithm, _, encoded = header.partition(" ")
    if algorithm not in algorithms:
        raise UnsupportedChecksumAlgorithm(
            f"Upload-Checksum: the algorithm must be one of {', '.join(algorithms)}."
        )
    digest = _decode(encoded.strip(" "))
    length = _HASHERS[algorithm][1]
    if len(digest) != length:
        raise InvalidHeader(UPLOAD_CHECKSUM, f"a {algorithm} digest has {length} bytes.")
    return Checksum(algorithm, digest)


def format_checksum(algorithm: str, digest: bytes) -> str:
    """Write an Upload-Checksum header."""
    return f"{algorithm} {base64.b64encode(digest).decode()}"


def _decode(encoded: str) -> bytes:
    if _BASE64.fullmatch(encoded):
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error:
            pass  # answered like any other text that is not Base64
    raise InvalidHeader(UPLOAD_CHECKSUM, "must be an algorithm, a space, and the digest in Base64.")
