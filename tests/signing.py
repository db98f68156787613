"""Makes keys, and tokens that are right or forged in all the ways that are known."""

import base64
import hashlib
import hmac
import json
import time
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import get_default_algorithms

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

AUDIENCE: Final = "uploads"
SECRET: Final = "a secret of sixty-four bytes, which is what HS512 wants at the least"


def private_key(algorithm: str = "RS256", number: int = 0) -> PrivateKey:
    """Return a key for *algorithm*; another one for each *number*."""
    return _made(algorithm, number)


@cache
def _made(algorithm: str, _: int) -> PrivateKey:
    match algorithm[:2], algorithm:
        case (("RS" | "PS"), _):
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case _, "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case _, "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case _, "ES512":
            return ec.generate_private_key(ec.SECP521R1())
    return ed25519.Ed25519PrivateKey.generate()


def public_pem(algorithm: str = "RS256", number: int = 0) -> str:
    """Return the public half as it stands in a file."""
    public = private_key(algorithm, number).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(algorithm: str = "RS256") -> str:
    """Return the half that belongs into nobody else's hands."""
    key = private_key(algorithm)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwk(algorithm: str = "RS256", number: int = 0, **members: object) -> dict[str, Any]:
    """Return the public half as it stands in a JWK Set; *members* add to it or replace."""
    public: Any = private_key(algorithm, number).public_key()
    encoder: Any = get_default_algorithms()[algorithm]
    document: dict[str, Any] = encoder.to_jwk(public, as_dict=True)
    document.pop("key_ops", None)
    return document | members


def claims(**changes: object) -> dict[str, object]:
    """Return claims that are good for a minute; None takes one away."""
    now = int(time.time())
    all_of_them = {"sub": "alice", "aud": AUDIENCE, "exp": now + 60, "iat": now} | changes
    return {name: value for name, value in all_of_them.items() if value is not None}


def signed(
    algorithm: str = "RS256", number: int = 0, *, kid: str | None = None, **changes: object
) -> str:
    """Return a token whose claims are those of `claims`."""
    key: Any = SECRET if algorithm.startswith("HS") else private_key(algorithm, number)
    headers = None if kid is None else {"kid": kid}
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def unsigned(spelling: str = "none") -> str:
    """Return a token that says of itself that nobody signed it."""
    return f"{_part({'alg': spelling, 'typ': 'JWT'})}.{_part(claims())}."


def signed_with_public_key(algorithm: str = "RS256") -> str:
    """Return a token whose secret is the public key, which everybody has."""
    text = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims())}"
    digest = hmac.new(public_pem(algorithm).encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{_base64(digest)}"


def tampered(token: str, **changes: object) -> str:
    """Return *token* with other claims under the same signature."""
    head, _, signature = token.split(".")
    return f"{head}.{_part(claims(**changes))}.{signature}"


def with_header(token: str, **members: object) -> str:
    """Return *token* with another header, so that its signature is wrong."""
    _, body, signature = token.split(".")
    return f"{_part(members)}.{body}.{signature}"


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries *token*."""
    return {"Authorization": f"Bearer {token}"}


def _part(document: dict[str, Any]) -> str:
    return _base64(json.dumps(document).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
