"""Turns outcomes into tables: medians, the least and the most, and how one stands to another."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.benchmarks.goals import Verdict
from tests.benchmarks.measure import Measure, Metric
from tests.benchmarks.schedule import Outcome, Schedule
from tests.benchmarks.servers import Server

#: Above this many cores only ratios mean anything.
BUSY = 0.3
#: Whom others are compared with: the first of these that was measured.
_REFERENCES = ("tusd", "tus-node", "tuspyserver", "sink", "relaxed", "strict")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table, ready to be drawn."""

    title: str
    headings: list[str]
    rows: list[list[str]]


def sheets(schedule: Schedule) -> list[Sheet]:
    """Return a table for each group of measures that has outcomes."""
    groups: dict[str, list[Measure]] = {}
    for measure in schedule.measures:
        groups.setdefault(measure.group, []).append(measure)
    made = [_sheet(schedule, group) for group in groups.values()]
    return [sheet for sheet in made if sheet.rows]


def _sheet(schedule: Schedule, group: list[Measure]) -> Sheet:
    first = group[0]
    keys = {measure.key for measure in group}
    measured = {each.server for each in schedule.outcomes if each.measure in keys}
    reference = next((key for key in _REFERENCES if key in measured), None)
    compared = reference is not None and len(measured) > 1
    headings = ["server"] if len(group) == 1 else ["what", "server"]
    for metric in first.metrics:
        headings.append(metric.heading)
        if metric.compared and compared:
            headings.append(f"x {reference}")
    rows = []
    for measure in group:
        of_measure = [each for each in schedule.outcomes if each.measure == measure.key]
        against = [each for each in of_measure if each.server == reference]
        for server in schedule.servers:
            own = [each for each in of_measure if each.server == server.key]
            if own:
                variant = schedule.scale.describe(measure.variant)
                names = [server.label] if len(group) == 1 else [variant, server.label]
                rows.append(names + _cells(first.metrics, own, against if compared else None))
    return Sheet(schedule.scale.describe(first.title), [*headings, "others' cores"], rows)


def _cells(
    metrics: Sequence[Metric], own: list[Outcome], against: list[Outcome] | None
) -> list[str]:
    cells = []
    for metric in metrics:
        cells.append(_spread([each.values[metric.key] for each in own]))
        if metric.compared and against is not None:
            ratios = ratios_of(metric.key, own, against)
            cells.append(_number(median(ratios)) if ratios else "")
    others = median(each.others for each in own)
    return [*cells, f"{others:.2f}" + (", ratios only" if others > BUSY else "")]


def ratios_of(metric: str, own: list[Outcome], against: list[Outcome]) -> list[float]:
    """Return the quotients of values from the same round, whose conditions were alike."""
    by_round = {each.round: each.values[metric] for each in against}
    return [each.values[metric] / by_round[each.round] for each in own if by_round.get(each.round)]


def _spread(values: list[float]) -> str:
    if len(values) == 1:
        return _number(values[0])
    return f"{_number(median(values))} ({_number(min(values))} - {_number(max(values))})"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def draw(console: Console, found: list[Sheet], verdicts: list[Verdict]) -> None:
    """Print for people at a terminal."""
    for sheet in found:
        table = Table(title=sheet.title, title_justify="left", title_style="bold")
        for heading in sheet.headings:
            table.add_column(heading, overflow="fold")
        for row in sheet.rows:
            table.add_row(*row)
        console.print(table)
    if verdicts:
        table = Table("goal", "measured", "", title="Goals", title_justify="left")
        for verdict in verdicts:
            table.add_row(verdict.text, verdict.measured, verdict.outcome)
        console.print(table)


def markdown(
    machine: dict[str, str],
    servers: Sequence[Server],
    schedule: Schedule,
    verdicts: list[Verdict],
) -> str:
    """Return everything as a block of docs/performance.md, its markers included."""
    lines = ["<!-- Made by scripts/bench --markdown: do not edit. -->", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines.append(f"- measured: {', '.join(server.label for server in servers)}")
    rounds = f"{schedule.rounds} rounds" if schedule.rounds > 1 else "one round"
    lines += [f"- {rounds}, turn by turn; cells are medians, with the least and the most", ""]
    for sheet in sheets(schedule):
        lines += [f"### {sheet.title}", "", _line(sheet.headings)]
        lines.append("|" + "---|" * len(sheet.headings))
        lines += [*(_line(row) for row in sheet.rows), ""]
    if verdicts:
        lines += ["### Goals", "", "| goal | measured | |", "|---|---|---|"]
        lines += [_line([each.text, each.measured, each.outcome]) for each in verdicts]
        lines.append("")
    lines.append("<!-- The end of what scripts/bench made. -->")
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
