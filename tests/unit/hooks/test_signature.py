"""Who has a key can tell our messages from others', and new ones from old ones."""

import hashlib
import hmac

import pytest

from tusd_py.hooks.signature import sign, verify

BODY = b'{"Type":"post-finish"}'
NOW = 1_700_000_000.9
OLD, NEW = "an old secret of some length", "a new secret of some length"


def test_signature_is_what_the_documentation_says() -> None:
    expected = hmac.new(OLD.encode(), b"1700000000." + BODY, hashlib.sha256).hexdigest()
    assert sign(BODY, [OLD], now=NOW) == f"t=1700000000,v1={expected}"


@pytest.mark.parametrize("key", [OLD, NEW])
def test_whoever_has_one_of_the_keys_can_check(key: str) -> None:
    assert verify(sign(BODY, [NEW, OLD], now=NOW), BODY, key, now=NOW + 10)


@pytest.mark.parametrize(
    ("header", "body", "key", "now"),
    [
        (sign(BODY, [OLD], now=NOW), BODY, NEW, NOW),
        (sign(BODY, [OLD], now=NOW), BODY + b" ", OLD, NOW),
        (sign(BODY, [OLD], now=NOW), BODY, OLD, NOW + 302),
        (sign(BODY, [OLD], now=NOW), BODY, OLD, NOW - 302),
        (sign(BODY, [OLD], now=NOW).replace("t=1700000000", "t=1700000001"), BODY, OLD, NOW),
        (sign(BODY, [OLD], now=NOW) + ",t=1700000000", BODY, OLD, NOW),
        (sign(BODY, [OLD], now=NOW).replace("v1", "v0"), BODY, OLD, NOW),
        ("", BODY, OLD, NOW),
        ("t=,v1=", BODY, OLD, NOW),
        ("t=x,v1=ü", BODY, OLD, NOW),
        ("t=1700000000,v1=ü", BODY, OLD, NOW),
    ],
)
def test_anything_else_is_refused(header: str, body: bytes, key: str, now: float) -> None:
    assert not verify(header, body, key, now=now)
