"""
Reads the keys that tokens are verified with, and says which algorithms each is for.

That is decided by the key and never by a token: a public key that also counted as a secret would
let everybody sign who can read it (RFC 8725, section 2.1).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWK
from jwt.exceptions import PyJWTError

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey

_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_EDWARDS: Final = frozenset({"EdDSA"})
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
#: "A key of the same size as the hash output ... or larger MUST be used" (RFC 7518, section 3.2).
_SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
#: "A key of size 2048 bits or larger MUST be used" (RFC 7518, section 3.3).
_RSA_BITS: Final = 2048
_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """
    A key, and what it may verify.

    Attributes:
        key: Public, or else a secret that signs as well.
        algorithms: By their names in a token's header.
        key_id: What tokens call it; None where it has no name.
    """

    key: PublicKey | bytes = field(repr=False)
    algorithms: frozenset[str]
    key_id: str | None = None


def read_key_file(text: str, algorithms: Collection[str]) -> tuple[VerifyingKey, ...]:
    """
    Read the keys of a file: public ones in PEM, or a secret in each line, as *algorithms* want it.

    Raises:
        ValueError: It holds something else, or a key that is too short; the message shows none.
    """
    if all(name in _SECRET_BYTES for name in algorithms):
        return _read_secrets(text, algorithms)
    blocks = list(_PEM.finditer(text))
    if not blocks:
        raise ValueError("holds no PEM; jwt_algorithms names some that need public keys in PEM")
    return tuple(_read_pem(block[0], block[1], algorithms) for block in blocks)


def read_key_set(document: object, algorithms: Collection[str]) -> tuple[VerifyingKey, ...]:
    """
    Return the keys of a JWK Set that can verify one of *algorithms*; the rest is passed over.

    "Implementations SHOULD ignore JWKs within a JWK Set that use "kty" values that are not
    understood by them, that are missing required members, or for which values are out of the
    supported ranges" (RFC 7517, section 5). Secrets are passed over, too: those are no secrets
    that were sent around.

    Raises:
        ValueError: It is no JWK Set.
    """
    members = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(members, list):
        raise ValueError("is no JWK Set (RFC 7517), which has a list of keys")
    keys = (_read_jwk(member, algorithms) for member in members if isinstance(member, Mapping))
    return tuple(key for key in keys if key is not None)


def _read_secrets(text: str, algorithms: Collection[str]) -> tuple[VerifyingKey, ...]:
    if "-----BEGIN" in text:
        raise ValueError(
            "holds a PEM, and jwt_algorithms names those that need a secret (HS...): with a public "
            "key for a secret, everybody could sign"
        )
    lines = [line.strip() for line in text.splitlines()]
    secrets = [line.encode() for line in lines if line and not line.startswith("#")]
    if not secrets:
        raise ValueError("holds no secret; write one in each line, such as `openssl rand -hex 64`")
    needed = max(_SECRET_BYTES[name] for name in algorithms)
    for number, secret in enumerate(secrets, start=1):
        if len(secret) < needed:
            raise ValueError(
                f"has a secret (number {number}) of {len(secret)} bytes, where {needed} are the "
                "least; make one with `openssl rand -hex 64`"
            )
    return tuple(VerifyingKey(secret, frozenset(algorithms)) for secret in secrets)


def _read_pem(block: str, label: str, algorithms: Collection[str]) -> VerifyingKey:
    if "PRIVATE" in label:
        raise ValueError(
            "holds a private key, which belongs to whoever makes the tokens alone; take the public "
            "one: `openssl pkey -pubout`"
        )
    try:
        key = load_pem_public_key(block.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"holds a PEM ({label}) that is no public key") from None
    fitting = _algorithms_of(key)
    if not fitting:
        raise ValueError("holds a public key of a kind or size that no token may be signed with")
    fitting &= frozenset(algorithms)
    if not fitting or not isinstance(key, PublicKey):
        raise ValueError("holds a public key that fits none of jwt_algorithms")
    return VerifyingKey(key, fitting)


def _read_jwk(member: Mapping[str, Any], algorithms: Collection[str]) -> VerifyingKey | None:
    uses = member.get("key_ops", ["verify"])
    if member.get("use", "sig") != "sig" or not isinstance(uses, list) or "verify" not in uses:
        return None
    try:
        jwk = PyJWK(dict(member))
    except (PyJWTError, ValueError, TypeError, LookupError, AttributeError):
        return None
    fitting = _algorithms_of(jwk.key) & frozenset(algorithms)
    fitting = frozenset(name for name in fitting if member.get("alg", name) == name)
    name = member.get("kid")
    if not fitting or not isinstance(jwk.key, PublicKey):
        return None
    return VerifyingKey(jwk.key, fitting, name if isinstance(name, str) else None)


def _algorithms_of(key: object) -> frozenset[str]:
    """Return what a public key may verify; nothing for any other key."""
    match key:
        case RSAPublicKey():
            return _RSA if key.key_size >= _RSA_BITS else frozenset()
        case EllipticCurvePublicKey():
            name = _CURVES.get(key.curve.name)
            return frozenset() if name is None else frozenset({name})
        case Ed25519PublicKey() | Ed448PublicKey():
            return _EDWARDS
    return frozenset()
