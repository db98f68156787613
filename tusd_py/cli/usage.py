"""Shows who has how much."""

import asyncio
from pathlib import Path

import click

from tusd_py.cli.commands import data_options, open_settings, open_uploads
from tusd_py.cli.output import approximate_size, print_json, print_table, say
from tusd_py.protocol.limits import Kind, Usage


@click.command()
@data_options
@click.option(
    "--by",
    type=click.Choice([kind.value for kind in Kind]),
    default=Kind.OWNER.value,
    show_default=True,
    help="Whom to count by; addresses are known only where a limit needs them.",
)
def usage(config: Path | None, data_dir: str | None, as_json: bool, by: str) -> None:
    """
    Show how many open uploads and stored bytes each owner has, the largest first.

    It is what max_open_uploads_per_owner and max_stored_per_owner are held against.
    """

    async def find() -> list[Usage]:
        async with open_uploads(open_settings(config, data_dir)) as service:
            return await service.usage(Kind(by))

    found = asyncio.run(find())
    if as_json:
        print_json({"usage": [_as_document(by, each) for each in found]})
        return
    if not found:
        say("nobody has anything")
        return
    rows = [
        (each.name or "-", str(each.open_uploads), approximate_size(each.stored)) for each in found
    ]
    print_table((by.upper(), "OPEN", "STORED"), rows)


def _as_document(by: str, usage: Usage) -> dict[str, str | int]:
    return {by: usage.name, "open_uploads": usage.open_uploads, "stored": usage.stored}
