"""Which keys are read from files and key sets, and what each may verify."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from tests.signing import SECRET, jwk, private_key, private_pem, public_pem
from tusd_py.auth.verifying_keys import read_key_file, read_key_set

RSA = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
EVERY = [*RSA, "ES256", "ES384", "ES512", "EdDSA"]


@pytest.mark.parametrize(
    ("algorithm", "fitting"),
    [
        ("RS256", RSA),
        ("ES256", {"ES256"}),
        ("ES384", {"ES384"}),
        ("ES512", {"ES512"}),
        ("EdDSA", {"EdDSA"}),
    ],
)
def test_the_key_says_what_it_is_for(algorithm: str, fitting: set[str]) -> None:
    (of_file,) = read_key_file(public_pem(algorithm), EVERY)
    (of_set,) = read_key_set({"keys": [jwk(algorithm, kid="k")]}, EVERY)
    assert of_file.algorithms == of_set.algorithms == fitting
    assert (of_file.key_id, of_set.key_id) == (None, "k")
    (fewer,) = read_key_file(public_pem(algorithm), [algorithm])
    assert fewer.algorithms == {algorithm}


def small_rsa() -> rsa.RSAPublicKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()  # noqa: S505 - it is refused


def pem(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | dsa.DSAPublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_jwk() -> dict[str, Any]:
    key: Any = private_key()
    return RSAAlgorithm.to_jwk(key, as_dict=True)


@pytest.mark.parametrize(
    ("text", "algorithms", "told"),
    [
        (SECRET, ["RS256"], "holds no PEM"),
        ("", ["RS256"], "holds no PEM"),
        (public_pem(), ["HS256"], "holds a PEM, and jwt_algorithms names those that need a secret"),
        (private_pem(), ["RS256"], "holds a private key"),
        (private_pem(), ["HS256"], "holds a PEM, and"),
        (public_pem(), ["ES256", "EdDSA"], "holds a public key that fits none of jwt_algorithms"),
        (public_pem("ES384"), ["ES256"], "holds a public key that fits none of jwt_algorithms"),
        (pem(small_rsa()), ["RS256"], "holds a public key of a kind or size"),
        (
            pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
            ["ES256"],
            "holds a public key of a kind or size",
        ),
        (
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            ["RS256"],
            r"holds a PEM \(PUBLIC KEY\) that is no public key",
        ),
        ("x" * 31, ["HS256"], r"has a secret \(number 1\) of 31 bytes, where 32 are the least"),
        (f"{'x' * 64}\n{'x' * 63}", ["HS256", "HS512"], r"has a secret \(number 2\) of 63 bytes"),
        ("# none\n\n", ["HS256"], "holds no secret"),
    ],
    ids=range(13),
)
def test_files_that_do_not_fit_are_refused(text: str, algorithms: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=f"^{told}") as caught:
        read_key_file(text, algorithms)
    assert "xxx" not in str(caught.value)


def test_keys_are_shown_nowhere() -> None:
    (key,) = read_key_file(SECRET, ["HS256"])
    assert SECRET not in repr(key)


@pytest.mark.parametrize(
    "member",
    [
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
        {"kty": "something new"},
        {},
        {"kty": "RSA"},
        {"kty": "RSA", "n": 7, "e": []},
        {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
        {"kty": ["EC"]},
        jwk(use="enc"),
        jwk(key_ops=["encrypt"]),
        jwk(key_ops=7),
        jwk(alg="RSA-OAEP"),
        jwk(alg="HS256"),
        jwk(alg=["RS256"]),
        jwk(alg="RS384"),
        private_jwk(),
        RSAAlgorithm.to_jwk(small_rsa(), as_dict=True),
        "no object",
        None,
    ],
    ids=range(19),
)
def test_members_of_a_set_that_fit_nothing_are_passed_over(member: object) -> None:
    algorithms = ["RS256", "ES256", "HS256"]
    keys = read_key_set({"keys": [member, jwk("ES256", kid="good")]}, algorithms)
    assert [key.key_id for key in keys] == ["good"]


def test_a_key_that_names_its_algorithm_is_for_that_alone() -> None:
    (key,) = read_key_set({"keys": [jwk(alg="PS256", use="sig", key_ops=["verify"])]}, EVERY)
    assert key.algorithms == {"PS256"}


@pytest.mark.parametrize("document", [None, [], "keys", {}, {"keys": {}}, {"keys": None}, 7])
def test_what_is_no_set_is_told(document: object) -> None:
    with pytest.raises(ValueError, match=r"^is no JWK Set"):
        read_key_set(document, ["RS256"])
