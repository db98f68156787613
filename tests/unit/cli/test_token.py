"""A token that is made is the one that its line makes known."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from tests.unit.auth.calls import with_token
from tusd_py.auth.identity import ORDINARY, Identity, Scope
from tusd_py.auth.tokens import StaticTokens, read_tokens

Run = Callable[..., Result]


async def identified(made: dict[str, str]) -> Identity:
    return await StaticTokens(read_tokens(made["line"])).identify(with_token(made["token"]))


async def test_token_and_line_belong_together(run: Run) -> None:
    made = json.loads(run("token", "alice", "--json").stdout)
    assert await identified(made) == Identity("alice", ORDINARY)
    assert made["token"] not in made["line"]


async def test_scopes_are_in_the_line(run: Run) -> None:
    made = json.loads(run("token", "ci", "--scopes", "create,append", "--json").stdout)
    assert (await identified(made)).scopes == {Scope.CREATE, Scope.APPEND}


async def test_both_are_shown_to_people_and_no_two_are_alike(run: Run) -> None:
    shown = [run("token", "alice").stdout.splitlines() for _ in range(2)]
    for first, second in shown:
        made = {"token": first.removeprefix("Token: "), "line": second.removeprefix("Line:  ")}
        assert await identified(made) == Identity("alice", ORDINARY)
    assert shown[0] != shown[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("a b",), "an owner is a name of up to 256 characters without spaces"),
        (("alice", "--scopes", "write"), "scopes are create, append, read, terminate, admin"),
        ((), "Missing argument 'OWNER'"),
    ],
)
def test_what_no_line_can_say_is_refused(run: Run, arguments: tuple[str, ...], told: str) -> None:
    result = run("token", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
