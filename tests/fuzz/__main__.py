"""Sends raw requests, proper and broken ones, to a server in this process until one harms it."""

import resource
import sys
import time
import traceback
from typing import Any

import click

from tests.fuzz.answers import Violation
from tests.fuzz.campaign import campaign, loops, repeat
from tests.fuzz.figures import Figures


@click.command(help=__doc__)
@click.option("--minutes", type=click.FloatRange(min=0.01), default=10.0, show_default=True)
@click.option("--loop", type=click.Choice([*loops(), "each"]), default="each", show_default=True)
@click.option("--seed", type=int, help="Of the first round; by default another one each time.")
@click.option("--replay", "blob", help="Play one example again, as a failure says; needs --seed.")
def main(*, minutes: float, loop: str, seed: int | None, blob: str | None) -> None:
    """Run, print the figures, and end with 1 where something was found."""
    chosen = list(loops()) if loop == "each" else [loop]
    first = time.time_ns() % 1_000_000_000 if seed is None else seed
    lost = _watch_what_is_lost()
    found = False
    for name in chosen:
        figures, began = Figures(), time.monotonic()
        try:
            if blob is not None:
                repeat(name, first, blob.encode())
            else:
                seconds = minutes * 60 / len(chosen)
                campaign(name, figures, seconds=seconds, seed=first, tell=_tell)
        except Violation:
            traceback.print_exc()
            found = True
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            minutes = 0
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{name}: {time.monotonic() - began:.0f} s from seed {first}, {memory} MiB at most")
        print(figures)
    sys.exit(1 if found or lost else 0)


def _watch_what_is_lost() -> list[str]:
    """Return the list that warnings and exceptions go to that nobody could be told of."""
    lost: list[str] = []

    def note(unraisable: Any) -> None:
        lost.append(str(unraisable.exc_value))
        sys.__unraisablehook__(unraisable)

    sys.unraisablehook = note
    return lost


def _tell(seed: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\rseed {seed} ", err=True, nl=False)


if __name__ == "__main__":
    main()
