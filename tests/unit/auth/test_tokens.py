"""Static tokens: the file's lines, and whom a token stands for."""

import hashlib
import hmac

import pytest

from tests.unit.auth.calls import FakeCall, with_token
from tusd_py.auth import tokens
from tusd_py.auth.identity import ORDINARY, Identity, Scope
from tusd_py.auth.tokens import StaticTokens, new_token, read_scopes, read_tokens, token_line
from tusd_py.errors import Unauthenticated

DIGEST = hashlib.sha256(b"secret").hexdigest()


async def test_token_stands_for_its_owner_and_scopes() -> None:
    first, second = new_token(), new_token()
    lines = [
        "# who uploads",
        "",
        token_line(first, "alice"),
        f"  {token_line(second, 'bob', [Scope.READ, Scope.ADMIN])}  ",
    ]
    known = StaticTokens(read_tokens("\r\n".join(lines)))
    assert await known.identify(with_token(first)) == Identity("alice", ORDINARY)
    assert await known.identify(with_token(second)) == Identity(
        "bob", frozenset({Scope.READ, Scope.ADMIN})
    )


@pytest.mark.parametrize("token", ["Secret", "secre", "secret0", DIGEST])
async def test_other_tokens_are_refused(token: str) -> None:
    known = StaticTokens(read_tokens(f"{DIGEST} alice"))
    assert (await known.identify(with_token("secret"))).owner == "alice"
    with pytest.raises(Unauthenticated) as caught:
        await known.identify(with_token(token))
    assert token not in caught.value.message
    with pytest.raises(Unauthenticated):
        await known.identify(FakeCall())


async def test_every_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever fits: where in the file it stands cannot be measured either."""
    compared: list[bytes] = []

    class Counting:
        @staticmethod
        def compare_digest(known: bytes, given: bytes) -> bool:
            compared.append(known)
            return hmac.compare_digest(known, given)

    made = [new_token() for _ in range(5)]
    known = StaticTokens(read_tokens("\n".join(token_line(each, "alice") for each in made)))
    monkeypatch.setattr(tokens, "hmac", Counting)
    for token in (made[0], made[-1]):
        compared.clear()
        await known.identify(with_token(token))
        assert len(set(compared)) == len(made)


def test_new_tokens_are_random_and_lines_hold_none_of_them() -> None:
    made = {new_token() for _ in range(50)}
    assert len(made) == 50
    assert all(len(bytes.fromhex(token)) == 32 for token in made)
    token = made.pop()
    assert token not in token_line(token, "alice")
    line = token_line(token, "alice", {Scope.READ, Scope.CREATE})
    assert line.endswith(" alice create,read")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no token"),
        ("# nothing\n\n", "holds no token"),
        ("alice secret", "has a wrong line 1: it begins with no SHA-256"),
        (f"{DIGEST.upper()} alice", "has a wrong line 1: it begins with no SHA-256"),
        (f"{DIGEST[1:]} alice", "has a wrong line 1: it begins with no SHA-256"),
        (f"\n{DIGEST}", "has a wrong line 2: behind the digest stand an owner"),
        (f"{DIGEST} alice read append", "has a wrong line 1: behind the digest stand an owner"),
        (f"{DIGEST} {'a' * 257}", "has a wrong line 1: an owner is a name of up to 256"),
        (f"{DIGEST} a\x1bb", "has a wrong line 1: an owner is a name of up to 256"),
        (f"{DIGEST} alice write", "has a wrong line 1: scopes are create, append, read,"),
        (f"{DIGEST} alice read,", "has a wrong line 1: scopes are create, append, read,"),
        (f"{DIGEST} alice\n#\n{DIGEST} bob", "has the token of line 3 twice"),
    ],
)
def test_wrong_files_are_told_by_their_line(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{told}") as caught:
        read_tokens(text)
    assert DIGEST not in str(caught.value)


@pytest.mark.parametrize("owner", ["", "a b", " a", "a\n", "x" * 257, "a\u202eb"])
def test_owners_that_no_line_can_hold_are_refused(owner: str) -> None:
    with pytest.raises(ValueError, match="an owner is a name"):
        token_line("token", owner)


def test_scopes_are_read_from_a_list() -> None:
    assert read_scopes("create, append") == {Scope.CREATE, Scope.APPEND}
