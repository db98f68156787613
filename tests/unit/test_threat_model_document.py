"""docs/threat-model.md names tests that exist, and every threat has one."""

import re
from pathlib import Path

import pytest

from tests.unit.test_clients_document import PROOF
from tests.unit.test_conformance_document import defined_in

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
DOCUMENT = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(PROOF, DOCUMENT)))
THREATS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in DOCUMENT.partition("\n## Requests and connections\n")[2].splitlines()
    if line.startswith("|") and "---" not in line and "| Test |" not in line
]
#: Every file of tests that is about attacks alone.
ATTACKS = (
    *("protocol/test_attacks.py", "protocol/test_hostile_services.py"),
    "clients/test_log_injection.py",
)


def test_names_tests_at_all() -> None:
    assert len(NAMED) > 90
    assert len(THREATS) > 45


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED}))
def test_every_test_that_is_named_exists(file: str) -> None:
    assert {test for other, test in NAMED if other == file} - defined_in(TESTS / file) == set()


def test_every_threat_has_a_test() -> None:
    for threat, answer, proof in THREATS:
        assert threat.endswith("."), threat
        assert answer.endswith("."), threat
        assert re.fullmatch(rf"({PROOF} ?)+", proof), threat


@pytest.mark.parametrize("file", ATTACKS)
def test_every_attack_is_in_the_document(file: str) -> None:
    assert defined_in(TESTS / file) - {test for other, test in NAMED if other == file} == set()


def test_every_setting_that_it_names_exists() -> None:
    from tusd_py.config.model import Settings  # noqa: PLC0415 - the rest needs no settings

    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)(?:: \w+)?`", DOCUMENT))
    assert len(named) > 15
    assert named - Settings.model_fields.keys() == set()


def test_every_exception_from_the_rules_of_security_has_a_reason() -> None:
    without = re.compile(r"noqa:[A-Z0-9, ]*\bS\d{3}\b(?![A-Z0-9, ]* - \w)")
    files = [
        file for place in ("tusd_py", "tests", "scripts") for file in ROOT.glob(f"{place}/**/*.py")
    ]
    found = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in files
        if "node_modules" not in file.parts
        for line in file.read_text(encoding="utf-8").splitlines()
        if without.search(line)
    ]
    assert len(files) > 300
    assert found == []
