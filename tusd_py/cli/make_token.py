"""Makes a token, and the line by which a server knows it."""

import click

from tusd_py.auth.identity import Scope
from tusd_py.auth.tokens import new_token, read_scopes, token_line
from tusd_py.cli.output import json_option, print_json


def _read_scopes(_: click.Context, __: click.Parameter, value: str | None) -> frozenset[Scope]:
    try:
        return frozenset() if value is None else read_scopes(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@json_option
@click.option(
    "--scopes",
    metavar="LIST",
    callback=_read_scopes,
    help="What its bearer may do: create, append, read, terminate, admin. [default: all but admin]",
)
@click.argument("owner")
def token(as_json: bool, scopes: frozenset[Scope], owner: str) -> None:
    """
    Make a token that stands for OWNER, and the line of auth_tokens that makes it known.

    The token is shown this once; the line holds its SHA-256 alone. Append the line to the file, and
    send the server SIGHUP.
    """
    made = new_token()
    try:
        line = token_line(made, owner, scopes)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="OWNER") from error
    if as_json:
        print_json({"token": made, "line": line})
        return
    click.echo(f"Token: {made}\nLine:  {line}")
