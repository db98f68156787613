"""Uploads files to a tus server, going on with what an earlier call began."""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from tusd_py.cli.addressing import parse_headers, parse_url
from tusd_py.cli.output import (
    Failure,
    Interrupted,
    approximate_size,
    as_utf8_text,
    json_option,
    print_json,
    printable,
    say,
)

if TYPE_CHECKING:
    from tusd_py.cli.transfer import Sent


def _parse_chunk_size(_: click.Context, __: click.Parameter, value: str) -> int:
    from tusd_py.config.units import parse_size  # noqa: PLC0415 -- needless for --help

    try:
        size = parse_size(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} {error}") from error
    if size == 0:
        raise click.BadParameter("must be more than 0")
    return size


def _parse_metadata(
    _: click.Context, __: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    pairs = {}
    for text in values:
        key, found, value = text.partition("=")
        if not found or not re.fullmatch(r"[\x21-\x2b\x2d-\x7e]+", key):
            raise click.BadParameter(
                f"{text!r} is not KEY=VALUE with a key of ASCII without blanks and commas"
            )
        pairs[key] = as_utf8_text(value)
    return pairs


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--to",
    "url",
    metavar="URL",
    required=True,
    callback=parse_url,
    help="Where the server creates uploads, such as http://127.0.0.1:1080/files/.",
)
@click.option(
    "--chunk-size",
    metavar="SIZE",
    default="8MiB",
    show_default=True,
    callback=_parse_chunk_size,
    help="Bytes of one request. So much memory is used, and so much is sent again at most when "
    "the connection is lost.",
)
@click.option(
    "--metadata",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_parse_metadata,
    help="Goes with each file, beside filename and filetype; may be repeated.",
)
@click.option(
    "--header",
    "headers",
    metavar="NAME:VALUE",
    multiple=True,
    callback=parse_headers,
    help="Goes with each request, as 'Authorization: Bearer ...'; may be repeated.",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Attempts after a failure, each 1 to 5 seconds later, until the upload moves on.",
)
@json_option
def upload(
    files: tuple[str, ...],
    url: str,
    chunk_size: int,
    metadata: dict[str, str],
    headers: dict[str, str],
    retries: int,
    as_json: bool,
) -> None:
    """
    Upload files, and print their URLs.

    After Ctrl-C, a crash or a lost connection the same command goes on where the upload stopped.
    Each chunk is verified with a checksum when the server offers that.
    """
    # Imported here, for --help and other commands need none of it.
    from tusd_py.cli.connection import Connection  # noqa: PLC0415
    from tusd_py.cli.progress import watcher_of  # noqa: PLC0415
    from tusd_py.cli.transfer import Plan, send  # noqa: PLC0415
    from tusd_py.cli.upload_urls import UploadUrls, default_file  # noqa: PLC0415

    plan = Plan(chunk_size, metadata, retries, watch=partial(watcher_of, quiet=as_json))
    documents = []
    try:
        urls = UploadUrls(default_file(os.environ))
        with Connection(headers) as connection:
            server = connection.discover(url)
            for name in files:
                sending = partial(send, Path(name), connection, server, urls, plan)
                documents.append(_try(name, sending, quiet=as_json))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command goes on where it stopped") from None
    if as_json:
        print_json({"files": documents})
    if any("error" in document for document in documents):
        raise Exit(1)


def _try(name: str, send: "Callable[[], Sent]", *, quiet: bool) -> dict[str, Any]:
    """Upload a file, say how that went unless *quiet*, and return the same for --json."""
    try:
        sent = send()
    except Failure as failure:
        if not quiet:
            say(f"{name}: {failure.message}")
        return {"file": name, **failure.as_document()}
    if not quiet:
        click.echo(_sentence(name, sent))
    return {
        "file": name,
        "url": sent.url,
        "size": sent.size,
        "resumed_at": sent.resumed_at,
        "verified": sent.verified,
        "seconds": round(sent.seconds, 3),
    }


def _sentence(name: str, sent: "Sent") -> str:
    facts = [f"{approximate_size(sent.size)} in {sent.seconds:.1f} s"]
    if sent.resumed_at:
        facts.append(f"went on at {100 * sent.resumed_at // sent.size}%")
    if sent.verified:
        facts.append("checksums verified")
    return f"{printable(name)}: {printable(sent.url)} ({', '.join(facts)})"
