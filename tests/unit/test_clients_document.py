"""docs/clients.md names tests that exist, and every test of a client is named there."""

import re
from pathlib import Path

import pytest

from tests.unit.test_conformance_document import defined_in

TESTS = Path(__file__).parents[1]
DOCUMENT = (TESTS.parent / "docs" / "clients.md").read_text(encoding="utf-8")
PROOF = r"`([\w/]+/test_\w+\.py)::([\w:]+)`"
NAMED = sorted(set(re.findall(PROOF, DOCUMENT)))
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in DOCUMENT.partition("\n## What clients send, and the proof\n")[2].splitlines()
    if line.startswith("|") and "---" not in line and "| This server |" not in line
]


def test_names_tests_at_all() -> None:
    assert len(NAMED) > 60
    assert len(ROWS) > 50


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED}))
def test_every_test_that_is_named_exists(file: str) -> None:
    assert {test for other, test in NAMED if other == file} - defined_in(TESTS / file) == set()


def test_every_row_has_a_proof() -> None:
    for claim, answer, proof in ROWS:
        assert claim.endswith("."), claim
        assert answer.endswith("."), claim
        assert re.fullmatch(rf"({PROOF} ?)+", proof), claim


@pytest.mark.parametrize(
    "file", sorted((TESTS / "clients" / "request_forms").glob("test_*.py")), ids=lambda f: f.name
)
def test_every_form_of_a_request_is_in_the_document(file: Path) -> None:
    name = str(file.relative_to(TESTS))
    assert defined_in(file) - {test for other, test in NAMED if other == name} == set()
