"""
Knows tokens that never change, by their SHA-256.

A token that this server makes holds 256 random bits, so that a plain hash gives nothing away; a
password somebody thought of would be found from it. A line of the file is

    SHA-256-IN-HEXADECIMAL OWNER [SCOPE,SCOPE...]
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tusd_py.auth.authenticator import Authenticator, Call
from tusd_py.auth.bearer import bearer_token, invalid_token
from tusd_py.auth.identity import ORDINARY, Identity, Scope, is_owner

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class KnownToken:
    """The digest of a token, and whose requests it makes those that carry it."""

    digest: bytes
    identity: Identity


class StaticTokens(Authenticator):
    """
    Identifies whoever has one of *tokens*.

    Every one is compared, and each in the same time whatever its digits: how long it takes tells
    nothing of a token or of its place in the file.
    """

    def __init__(self, tokens: Iterable[KnownToken]) -> None:
        self._tokens = tuple(tokens)

    async def identify(self, call: Call) -> Identity:
        digest = hashlib.sha256(bearer_token(call).encode()).digest()
        found: Identity | None = None
        for token in self._tokens:
            if hmac.compare_digest(token.digest, digest):
                found = token.identity
        if found is None:
            raise invalid_token("is not known here")
        return found


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_hex(_BYTES)


def token_line(token: str, owner: str, scopes: Iterable[Scope] = ()) -> str:
    """
    Return the line that makes *token* known.

    Raises:
        ValueError: No owner can be called so in this file.
    """
    _check_owner(owner)
    given = set(scopes)
    named = ",".join(scope for scope in Scope if scope in given)
    digest = hashlib.sha256(token.encode()).hexdigest()
    return f"{digest} {owner} {named}".rstrip()


def read_tokens(text: str) -> tuple[KnownToken, ...]:
    """
    Read the lines of a file; blank ones, and those that begin with #, are passed over.

    Raises:
        ValueError: One is wrong, or two have the same token, or there is none; the message tells
            which, and shows nothing of it.
    """
    tokens: dict[bytes, KnownToken] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            token = _read_line(line)
        except ValueError as error:
            raise ValueError(f"has a wrong line {number}: {error}") from None
        if token.digest in tokens:
            raise ValueError(f"has the token of line {number} twice; leave one of them out")
        tokens[token.digest] = token
    if not tokens:
        raise ValueError("holds no token; make one, and its line, with `tusd-py token OWNER`")
    return tuple(tokens.values())


def read_scopes(text: str) -> frozenset[Scope]:
    """
    Read scopes that are separated by commas.

    Raises:
        ValueError: One is none.
    """
    names = [name.strip() for name in text.split(",")]
    try:
        return frozenset(map(Scope, names))
    except ValueError:
        raise ValueError(f"scopes are {', '.join(Scope)}, separated by commas") from None


def _read_line(line: str) -> KnownToken:
    digest, *rest = line.split()
    if not _DIGEST.fullmatch(digest):
        raise ValueError(
            "it begins with no SHA-256 of a token in lower-case hexadecimal digits; make lines "
            "with `tusd-py token OWNER`"
        )
    if not 1 <= len(rest) <= 2:
        raise ValueError("behind the digest stand an owner and, after a space, scopes or nothing")
    _check_owner(rest[0])
    scopes = read_scopes(rest[1]) if len(rest) == 2 else ORDINARY
    return KnownToken(bytes.fromhex(digest), Identity(rest[0], scopes))


def _check_owner(owner: str) -> None:
    if not is_owner(owner) or len(owner.split()) != 1:
        raise ValueError("an owner is a name of up to 256 characters without spaces")
