"""Shows what hooks are still to be told, and has it told again, forgotten, or told once more."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tusd_py.cli.commands import about, data_options, open_settings, require_uploads
from tusd_py.cli.output import Failure, iso_time, local_time, print_json, print_table, say
from tusd_py.errors import TusError

if TYPE_CHECKING:
    from tusd_py.composition import Office
    from tusd_py.state.outbox import Delivery

_T = TypeVar("_T")


@click.group()
def hooks() -> None:
    """Look after what hooks are told of uploads."""


def _run(
    config: Path | None, data_dir: str | None, work: "Callable[[Office], Awaitable[_T]]"
) -> _T:
    # Imported here, since --help needs none of it.
    from tusd_py.server import open_office  # noqa: PLC0415

    settings = open_settings(config, data_dir)
    require_uploads(settings)

    async def run() -> _T:
        async with open_office(settings) as office:
            return await work(office)

    return asyncio.run(run())


@hooks.command()
@data_options
@click.option("--dead", is_flag=True, help="Only what was given up.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many."
)
def ls(config: Path | None, data_dir: str | None, as_json: bool, dead: bool, limit: int) -> None:
    """List what is still to be told, and what was given up (dead), the oldest first."""
    found = _run(
        config, data_dir, lambda office: office.outbox.deliveries(limit=limit, only_dead=dead)
    )
    if as_json:
        print_json({"deliveries": [_as_document(each) for each in found]})
        return
    if not found:
        say("nothing is dead" if dead else "nothing is waiting")
        return
    header = ("ID", "EVENT", "UPLOAD", "STATE", "AGE", "TRIES", "NEXT", "HOOK", "LAST ERROR")
    print_table(header, [_row(each, time.time()) for each in found])
    if len(found) == limit:
        say(f"stopped after {limit}; see more with --limit")


def _row(delivery: "Delivery", now: float) -> tuple[str, ...]:
    return (
        delivery.message.event_id,
        delivery.message.point.value,
        delivery.message.upload_id,
        "dead" if delivery.is_dead else "pending",
        _age(now - delivery.created_at),
        str(delivery.attempts),
        "-" if delivery.is_dead else local_time(delivery.next_at),
        delivery.target,
        delivery.last_error or "-",
    )


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f}{unit}"
    return f"{max(seconds, 0):.0f}s"


def _as_document(delivery: "Delivery") -> dict[str, Any]:
    return {
        "id": delivery.message.event_id,
        "event": delivery.message.point.value,
        "upload_id": delivery.message.upload_id,
        "hook": delivery.target,
        "state": "dead" if delivery.is_dead else "pending",
        "created_at": iso_time(delivery.created_at),
        "attempts": delivery.attempts,
        "next_at": None if delivery.is_dead else iso_time(delivery.next_at),
        "last_error": delivery.last_error,
    }


@hooks.command()
@data_options
@click.option("--all-dead", is_flag=True, help="All that was given up.")
@click.argument("event_ids", metavar="[ID...]", nargs=-1)
def retry(
    config: Path | None,
    data_dir: str | None,
    as_json: bool,
    all_dead: bool,
    event_ids: tuple[str, ...],
) -> None:
    """Have events told at once, and for as long as new ones are, dead ones or not."""
    chosen = _chosen(event_ids, all_dead=all_dead)
    count = _run(config, data_dir, lambda office: office.outbox.retry(chosen, time.time()))
    _report("retried", count, chosen, as_json=as_json)


@hooks.command()
@data_options
@click.option("--all-dead", is_flag=True, help="All that was given up.")
@click.argument("event_ids", metavar="[ID...]", nargs=-1)
def drop(
    config: Path | None,
    data_dir: str | None,
    as_json: bool,
    all_dead: bool,
    event_ids: tuple[str, ...],
) -> None:
    """Forget events, dead or not: nobody will be told."""
    chosen = _chosen(event_ids, all_dead=all_dead)
    count = _run(config, data_dir, lambda office: office.outbox.drop(chosen))
    _report("dropped", count, chosen, as_json=as_json)


def _chosen(event_ids: tuple[str, ...], *, all_dead: bool) -> tuple[str, ...] | None:
    """Return the ids that were given; None for all dead ones."""
    if bool(event_ids) == all_dead:
        raise Failure("bad_usage", "name events by their ids (see `hooks ls`), or say --all-dead")
    return None if all_dead else tuple(dict.fromkeys(event_ids))


def _report(done: str, count: int, chosen: Sequence[str] | None, *, as_json: bool) -> None:
    if count == 0 and chosen is not None:
        raise Failure("event_not_found", "there are no such events; `tusd-py hooks ls` lists them")
    if as_json:
        print_json({done: count})
        return
    click.echo(f"{done} {count} deliver{'y' if count == 1 else 'ies'}")


@hooks.command()
@data_options
@click.argument("upload_id", metavar="UPLOAD_ID")
def replay(config: Path | None, data_dir: str | None, as_json: bool, upload_id: str) -> None:
    """
    Have hooks told once more that an upload is finished, as a new event.

    Those are told that the server told when it was started last.
    """
    try:
        event_id = _run(config, data_dir, lambda office: office.replay(upload_id))
    except TusError as error:
        raise Failure(error.code, about(upload_id, error)) from error
    if event_id is None:
        raise Failure(
            "no_hooks", "the server has no hooks; set hooks_urls, for example, and start it once"
        )
    if as_json:
        print_json({"id": event_id})
        return
    click.echo(f"event {event_id}")
