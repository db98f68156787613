"""JSON Web Tokens: who is believed, and every known way of forging one."""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from tests.signing import (
    AUDIENCE,
    SECRET,
    jwk,
    public_pem,
    signed,
    signed_with_public_key,
    tampered,
    unsigned,
    with_header,
)
from tests.unit.auth.calls import FakeCall, with_token
from tusd_py.auth.identity import ORDINARY, Identity, Scope
from tusd_py.auth.json_web_tokens import JsonWebTokens, KeysOfFile, TokenRules
from tusd_py.auth.verifying_keys import VerifyingKey, read_key_file, read_key_set
from tusd_py.errors import Unauthenticated

PUBLIC = ("RS256", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA")


def authenticator(*algorithms: str, text: str | None = None, **rules: object) -> JsonWebTokens:
    """Return one whose keys are those of a file, made for *algorithms*."""
    content = text or "\n".join(public_pem(each) for each in algorithms)
    return of_keys(read_key_file(content, algorithms), algorithms, **rules)


def of_keys(
    keys: Sequence[VerifyingKey], algorithms: Sequence[str], **rules: object
) -> JsonWebTokens:
    chosen = {"algorithms": frozenset(algorithms), "audience": AUDIENCE, "leeway": 5.0} | rules
    return JsonWebTokens(KeysOfFile(keys), TokenRules(**chosen))  # type: ignore[arg-type] # tests


async def refusal(known: JsonWebTokens, token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await known.identify(with_token(token))
    assert len(token) < 20 or token not in caught.value.message + str(caught.value.challenge)
    assert 'error="invalid_token"' in str(caught.value.challenge)
    return caught.value.message


@pytest.mark.parametrize("algorithm", PUBLIC)
async def test_good_token_is_its_subjects(algorithm: str) -> None:
    known = authenticator(algorithm)
    assert await known.identify(with_token(signed(algorithm))) == Identity("alice", ORDINARY)
    message = await refusal(known, signed(algorithm, 1))
    assert message == "The token is signed by somebody else: send another one."


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_secrets_sign_where_they_are_asked_for(algorithm: str) -> None:
    known = authenticator(algorithm, text=f"# first\n{'x' * 64}\n{SECRET}\n")
    assert (await known.identify(with_token(signed(algorithm)))).owner == "alice"
    other = authenticator(algorithm, text="x" * 64)
    assert "somebody else" in await refusal(other, signed(algorithm))


async def test_each_key_of_a_file_is_good() -> None:
    text = f"old\n{public_pem('RS256', 1)}\n{public_pem()}{public_pem('EdDSA')}"
    known = authenticator("RS256", "EdDSA", text=text)
    for token in (signed(), signed(number=1), signed("EdDSA"), signed(kid="whatever")):
        assert (await known.identify(with_token(token))).owner == "alice"
    assert "somebody else" in await refusal(known, signed(number=2))


@pytest.mark.parametrize("spelling", ["none", "None", "NONE", "nOnE", ""])
async def test_unsigned_tokens_are_refused(spelling: str) -> None:
    for algorithm in ("RS256", "HS256"):
        known = authenticator(algorithm, text=SECRET if algorithm == "HS256" else None)
        message = await refusal(known, unsigned(spelling))
        assert (
            message == "The token is signed in a way that is not accepted here: send another one."
        )


async def test_a_public_key_is_no_secret() -> None:
    """Key confusion (RFC 8725, section 2.1): everybody has the public key."""
    forged = signed_with_public_key()
    assert "not accepted" in await refusal(authenticator("RS256"), forged)
    # Even where the rules let both in, which no setting can do: the key decides.
    keys = read_key_file(public_pem(), ["RS256"])
    assert "not known here" in await refusal(of_keys(keys, ["RS256", "HS256"]), forged)
    keys = read_key_set({"keys": [jwk()]}, ["RS256", "HS256"])
    assert "not known here" in await refusal(of_keys(keys, ["RS256", "HS256"]), forged)


async def test_a_key_verifies_its_own_algorithms_alone() -> None:
    """A token chooses among what its key is for; what the key is for it does not say."""
    known = authenticator("ES256", "RS256")
    assert "not accepted" in await refusal(known, signed("RS512"))
    assert "not accepted" in await refusal(known, signed("ES384"))
    for algorithm in ("ES256", "RS256"):
        forged = with_header(signed("EdDSA"), alg=algorithm)
        assert "signed by somebody else" in await refusal(known, forged)


@pytest.mark.parametrize(
    "change",
    [{"sub": "bob"}, {"scope": "admin"}, {"exp": int(time.time()) + 10_000}],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_changed_claims_are_refused(algorithm: str, change: dict[str, object]) -> None:
    known = authenticator(algorithm)
    assert "somebody else" in await refusal(known, tampered(signed(algorithm), **change))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exp": int(time.time()) - 10}, "has expired"),
        ({"exp": None}, "lacks a claim that is required"),
        ({"exp": "soon"}, "is malformed"),
        ({"exp": []}, "is malformed"),
        ({"nbf": int(time.time()) + 86_400}, "is not valid yet"),
        ({"iat": int(time.time()) + 86_400}, "is not valid yet"),
        ({"aud": "something else"}, "is for another audience"),
        ({"aud": [AUDIENCE.upper(), AUDIENCE + "s"]}, "is for another audience"),
        ({"aud": None}, "lacks a claim that is required"),
        ({"aud": []}, "lacks a claim that is required"),
        ({"iss": "https://evil.example"}, "is from another issuer"),
        ({"iss": None}, "lacks a claim that is required"),
        ({"sub": None}, "names no owner"),
        ({"sub": ""}, "names no owner"),
        ({"sub": "a" * 257}, "names no owner"),
        ({"sub": "a\nb"}, "names no owner"),
        ({"sub": " alice"}, "names no owner"),
        ({"sub": "ali\u202ece"}, "names no owner"),
        ({"scope": ["read"]}, "has scopes that are no text"),
    ],
    ids=range(19),
)
async def test_claims_that_are_not_right_are_refused(changes: dict[str, object], told: str) -> None:
    known = authenticator("ES256", issuer="https://id.example")
    chosen: dict[str, Any] = {"iss": "https://id.example"} | changes
    token = signed("ES256", **chosen)
    assert await refusal(known, token) == f"The token {told}: send another one."


async def test_sub_that_is_no_text_is_refused() -> None:
    for sub in (7, ["alice"], {"name": "alice"}):
        known = authenticator("ES256", owner_claim="user")
        assert "names no owner" in await refusal(known, signed("ES256", user=sub))


async def test_clocks_may_differ_a_little() -> None:
    now = int(time.time())
    lenient, strict = authenticator("ES256", leeway=30.0), authenticator("ES256", leeway=0.0)
    expired, early = signed("ES256", exp=now - 10), signed("ES256", nbf=now + 10)
    for token in (expired, early):
        assert (await lenient.identify(with_token(token))).owner == "alice"
    assert "has expired" in await refusal(strict, expired)
    assert "not valid yet" in await refusal(strict, early)


async def test_tokens_without_an_end_are_good_where_that_is_allowed() -> None:
    known = authenticator("ES256", must_expire=False)
    assert (await known.identify(with_token(signed("ES256", exp=None)))).owner == "alice"
    expired = signed("ES256", exp=int(time.time()) - 60)
    assert "has expired" in await refusal(known, expired)


async def test_one_of_several_audiences_is_enough_and_issuers_are_compared() -> None:
    known = authenticator("ES256", issuer="https://id.example")
    token = signed("ES256", aud=["other", AUDIENCE], iss="https://id.example")
    assert (await known.identify(with_token(token))).owner == "alice"


async def test_another_claim_may_name_the_owner() -> None:
    known = authenticator("ES256", owner_claim="https://example.org/user")
    named: dict[str, Any] = {"https://example.org/user": "bob"}
    token = signed("ES256", **named)
    assert (await known.identify(with_token(token))).owner == "bob"
    assert "names no owner" in await refusal(known, signed("ES256"))


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        (None, ORDINARY),
        ("read", {Scope.READ}),
        ("openid tus:create  append email", {Scope.CREATE, Scope.APPEND}),
        ("admin tus:admin", {Scope.ADMIN}),
        ("", set()),
        ("openid profile", set()),
        ("READ files:read xtus:read tus:tus:read", set()),
    ],
)
async def test_scopes_are_those_that_mean_something_here(
    scope: str | None, scopes: frozenset[Scope]
) -> None:
    known = authenticator("ES256")
    identity = await known.identify(with_token(signed("ES256", scope=scope)))
    assert identity.scopes == scopes


@pytest.mark.parametrize(
    "token",
    [
        *("a", "a.b", "a.b.c", "..", "a.b.c.d", "e30.e30.", "bnVsbA.e30.", "WzFd.e30.YQ"),
        with_header(signed("ES256"), alg=["ES256"]),
        with_header(signed("ES256"), alg={"ES256": 1}),
        with_header(signed("ES256"), alg=None),
        with_header(signed("ES256"), alg="ES256", kid=7),
        with_header(signed("ES256"), alg="ES256", crit=["exp"]),
        with_header(signed("ES256"), alg="ES256", crit=["b64"], b64=False),
        with_header(signed("ES256"), typ="JWT"),
        signed("ES256")[:-4] + "AAAA",
        signed("ES256") + "=",
    ],
    ids=range(17),
)
async def test_malformed_tokens_are_refused(token: str) -> None:
    await refusal(authenticator("ES256"), token)


async def test_keys_beside_the_token_are_not_believed() -> None:
    """A token may bring a key or name a place for one; neither is looked at."""
    bait = {"jwk": jwk("ES256", 1), "jku": "http://127.0.0.1:9/", "x5u": "http://127.0.0.1:9/"}
    forged = with_header(signed("ES256", 1), alg="ES256", **bait)
    assert "somebody else" in await refusal(authenticator("ES256"), forged)


async def test_without_a_token_there_is_nobody() -> None:
    with pytest.raises(Unauthenticated) as caught:
        await authenticator("ES256").identify(FakeCall())
    assert caught.value.challenge == "Bearer"


async def test_a_refreshed_token_is_the_same_owners() -> None:
    known = authenticator("ES256")
    first = signed("ES256", jti="1")
    second = signed("ES256", jti="2", exp=int(time.time()) + 600, scope="append")
    owners = {(await known.identify(with_token(each))).owner for each in (first, second)}
    assert owners == {"alice"}
