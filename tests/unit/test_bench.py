"""scripts/bench measures, compares within rounds, and says what it left out."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest

from tests.benchmarks.__main__ import MEASURES, choose_measures, choose_servers
from tests.benchmarks.goals import GOALS, Goal, judge
from tests.benchmarks.measure import QUICK, Measure, Metric, Scale, Trial, Values, percentile
from tests.benchmarks.report import markdown, ratios_of, sheets
from tests.benchmarks.schedule import Outcome, Schedule
from tests.benchmarks.servers import TusdPy

CHECKOUT = Path(__file__).parents[2]


def nothing(_: Trial) -> Values:
    return {}


RATE = Measure(
    key="rate",
    group="rate",
    title="Uploads of {small}",
    metrics=(Metric("rate", "uploads/s", compared=True),),
    run=nothing,
)


def outcome(server: str, turn: int, rate: float, others: float = 0.0) -> Outcome:
    return Outcome("rate", server, turn, {"rate": rate}, others)


class Peer(TusdPy):
    """Stands for a server that others are compared with."""

    def __init__(self) -> None:
        super().__init__("strict")
        self.key = "tusd"


def schedule(*outcomes: Outcome) -> Schedule:
    made = Schedule([RATE], [TusdPy("strict"), Peer()], Scale(), rounds=3)
    made.outcomes.extend(outcomes)
    return made


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_one_command_measures_the_real_server(tmp_path: Path) -> None:
    raw = tmp_path / "raw.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.benchmarks", "--quick", "--only", "patch"),
            *("--servers", "strict,sink", "--data", str(tmp_path), "--json", str(raw)),
        ],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trials = json.loads(raw.read_text())["trials"]
    assert [each["server"] for each in trials] == ["strict", "sink"]
    assert all(each["values"]["gbps"] > 0 for each in trials)
    assert trials[0]["values"]["peak"] > trials[1]["values"]["peak"] > 1
    assert "One PATCH of 40 MB" in done.stdout
    assert list(tmp_path.iterdir()) == [raw], "every file of the run is removed"


def test_ratios_compare_within_a_round() -> None:
    own = [outcome("strict", 0, 10), outcome("strict", 1, 40), outcome("strict", 2, 9)]
    against = [outcome("tusd", 0, 20), outcome("tusd", 1, 20)]
    assert ratios_of("rate", own, against) == [0.5, 2.0]


def test_tables_show_medians_extremes_and_ratios() -> None:
    strict = [outcome("strict", turn, rate) for turn, rate in enumerate((100, 300, 150))]
    tusd = [outcome("tusd", turn, 100, others=0.5) for turn in range(3)]
    (sheet,) = sheets(schedule(*strict, *tusd))
    assert sheet.title == "Uploads of 16 KiB"
    assert sheet.headings == ["server", "uploads/s", "x tusd", "others' cores"]
    assert sheet.rows[0] == ["tusd_py strict", "150 (100 - 300)", "1.50", "0.00"]
    assert sheet.rows[1][3] == "0.50, ratios only"


def test_markdown_is_a_block_that_can_be_replaced() -> None:
    run = schedule(outcome("strict", 0, 100))
    lines = markdown({"memory": "4 GiB"}, [TusdPy("strict")], run, []).splitlines()
    assert lines[0].startswith("<!--")
    assert lines[-1].startswith("<!--")
    assert "- memory: 4 GiB" in lines
    assert "| tusd_py strict | 100 | 0.00 |" in lines


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        (Goal("rate", "rate", "strict", "rate", 100), "met"),
        (Goal("rate", "rate", "strict", "rate", 400), "missed by 50%"),
        (Goal("rate", "rate", "strict", "rate", 100, most=True), "missed by 100%"),
        (Goal("rate", "rate", "strict", "rate", 4, server_against="tusd"), "met"),
        (Goal("rate", "rate", "strict", "rate", 5, server_against="tusd"), "missed by 20%"),
    ],
)
def test_goals_are_judged_by_the_median(goal: Goal, verdict: str) -> None:
    outcomes = [outcome("strict", turn, rate) for turn, rate in enumerate((200, 900, 100))]
    outcomes += [outcome("tusd", turn, 50) for turn in range(3)]
    (judged,) = judge(outcomes, [goal])
    assert judged.outcome == verdict


def test_goals_without_values_are_left_out() -> None:
    outcomes = [outcome("strict", 0, 200)]
    assert judge(outcomes, [Goal("rate", "rate", "strict", "rate", 1, server_against="tusd")]) == []


def test_every_goal_is_about_something_that_is_measured() -> None:
    metrics = {each.key: {metric.key for metric in each.metrics} for each in MEASURES}
    for goal in GOALS:
        assert goal.metric in metrics[goal.measure]
        assert goal.metric in metrics[goal.measure_against or goal.measure]


def test_measures_are_chosen_by_name_and_by_group() -> None:
    assert [each.key for each in choose_measures("small-8,get", full=False)] == ["get", "small-8"]
    small = {each.key for each in choose_measures("small", full=False)}
    assert small == {"small-8", "small-64", "small-creation"}
    assert any(each.only_full for each in choose_measures(None, full=True))
    assert not any(each.only_full for each in choose_measures(None, full=False))


@pytest.mark.parametrize("name", ["nonsense", ""])
def test_unknown_names_are_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(click.BadParameter, match="small-64"):
        choose_measures(name, full=False)
    with pytest.raises(click.BadParameter, match="relaxed"):
        choose_servers(name, peers=False, tusd=None)


def test_a_missing_peer_is_named_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    servers = choose_servers("strict,tusd", peers=False, tusd=Path("/no/such/tusd"))
    assert [each.key for each in servers] == ["strict"]
    assert "/no/such/tusd" in capsys.readouterr().err


def test_titles_name_the_sizes_that_were_used() -> None:
    assert Scale().describe("{large} {stream} {small} {on_disk}") == "1 GB 250 MB 16 KiB 10,000"
    assert replace(QUICK, large=2_500_000_000).describe("{large}") == "2.5 GB"


def test_percentiles_are_values_that_were_seen() -> None:
    assert percentile([5.0, 1.0, 3.0], 50) == 3.0
    assert percentile([5.0, 1.0, 3.0], 99) == 5.0
