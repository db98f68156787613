"""Reads what commands are given that talk to a server: its URL, and headers for it."""

import re
from urllib.parse import urlsplit

import click


def parse_url(_: click.Context, __: click.Parameter, value: str) -> str:
    """Return the URL of a server, as click's callback."""
    try:
        parts = urlsplit(value)
        is_right = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise click.BadParameter(
            f"{value!r} is no URL of a server; write one such as http://127.0.0.1:1080/files/"
        )
    if "@" in parts.netloc:
        # They would become part of the upload's URL, which is printed and remembered.
        raise click.BadParameter("leave credentials out of the URL; give them with --header")
    return value


def parse_headers(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return headers by name, as click's callback."""
    headers = {}
    for text in values:
        name, found, value = text.partition(":")
        if (
            not found
            or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name)
            or not re.fullmatch(r"[\x20-\x7e\t]*", value)
        ):
            raise click.BadParameter(f"{text!r} is not NAME:VALUE in ASCII")
        headers[name] = value.strip()
    return headers
