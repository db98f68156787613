"""Believes tokens that somebody else signed (JWT, RFC 7519, as RFC 8725 wants it)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from tusd_py.auth.authenticator import Authenticator, Call
from tusd_py.auth.bearer import bearer_token, invalid_token
from tusd_py.auth.identity import ORDINARY, Identity, Scope, is_owner, known_scopes
from tusd_py.auth.verifying_keys import VerifyingKey

_SCOPE_CLAIM: Final = "scope"
#: What clients are told; the first class that fits counts.
_REASONS: Final[tuple[tuple[type[PyJWTError], str], ...]] = (
    (ExpiredSignatureError, "has expired"),
    (ImmatureSignatureError, "is not valid yet"),
    (InvalidAudienceError, "is for another audience"),
    (InvalidIssuerError, "is from another issuer"),
    (MissingRequiredClaimError, "lacks a claim that is required"),
    (InvalidSignatureError, "is signed by somebody else"),
)


class KeySource(Protocol):
    """Where keys come from."""

    async def find(self, key_id: str | None) -> tuple[VerifyingKey, ...]:
        """Return what `PublishedKeys.find` does."""
        ...


class KeysOfFile(KeySource):
    """Keys without names: any may have signed any token."""

    def __init__(self, keys: Iterable[VerifyingKey]) -> None:
        self._keys = tuple(keys)

    async def find(self, key_id: str | None) -> tuple[VerifyingKey, ...]:
        return self._keys


@dataclass(frozen=True, slots=True)
class TokenRules:
    """
    What a token has to say.

    Attributes:
        algorithms: Those that it may be signed with; never "none".
        audience: Whom it is for.
        issuer: Whom it is from; None for everybody whose signature is good.
        leeway: Seconds by which clocks may differ.
        must_expire: Whether one without an end is refused.
        owner_claim: The claim that names the owner.
    """

    algorithms: frozenset[str]
    audience: str
    issuer: str | None = None
    leeway: float = 0.0
    must_expire: bool = True
    owner_claim: str = "sub"


class JsonWebTokens(Authenticator):
    """Identifies whoever has a token that keeps *rules* and that one of *keys* verifies."""

    def __init__(self, keys: KeySource, rules: TokenRules) -> None:
        self._keys = keys
        self._rules = rules

    async def identify(self, call: Call) -> Identity:
        token = bearer_token(call)
        algorithm, key_id = self._header(token)
        keys = [each for each in await self._keys.find(key_id) if algorithm in each.algorithms]
        if not keys:
            raise invalid_token("is signed with a key that is not known here")
        return self._identity(self._verified(token, keys))

    def _header(self, token: str) -> tuple[str, str | None]:
        """Return algorithm and key as the token names them, which is only good for choosing."""
        try:
            header = jwt.get_unverified_header(token)
        except PyJWTError:
            raise invalid_token("is no JSON Web Token") from None
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._rules.algorithms:
            raise invalid_token("is signed in a way that is not accepted here")
        return algorithm, header.get("kid")

    def _verified(self, token: str, keys: Collection[VerifyingKey]) -> dict[str, Any]:
        """Return what the token claims, where one of *keys* signed it and it keeps the rules."""
        rules = self._rules
        refusal: PyJWTError = InvalidSignatureError()
        for key in keys:
            try:
                return jwt.decode(
                    token,
                    key.key,
                    algorithms=sorted(key.algorithms),
                    audience=rules.audience,
                    issuer=rules.issuer,
                    leeway=rules.leeway,
                    options={"require": ["exp"] if rules.must_expire else []},
                )
            except InvalidSignatureError:
                continue
            except PyJWTError as error:
                refusal = error
                break
        raise invalid_token(_reason(refusal)) from refusal

    def _identity(self, claims: dict[str, Any]) -> Identity:
        owner = claims.get(self._rules.owner_claim)
        if not isinstance(owner, str) or not is_owner(owner):
            raise invalid_token("names no owner")
        return Identity(owner, _scopes(claims))


def _reason(refusal: PyJWTError) -> str:
    return next((text for kind, text in _REASONS if isinstance(refusal, kind)), "is malformed")


def _scopes(claims: dict[str, Any]) -> frozenset[Scope]:
    scope = claims.get(_SCOPE_CLAIM)
    if scope is None:
        return ORDINARY
    if not isinstance(scope, str):
        raise invalid_token("has scopes that are no text")
    return known_scopes(scope.split())
