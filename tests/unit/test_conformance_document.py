"""docs/conformance.md names tests that exist, and every area of the protocol."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOCOL = ROOT / "tests" / "protocol"
DOCUMENT = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+\.py::[\w:]+)`", DOCUMENT)))
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in DOCUMENT.splitlines()
    if re.match(r"\|[MS, ]+\|", line) and "This server" not in line
]


def defined_in(file: Path) -> set[str]:
    """Return the tests of a file as pytest names them, without running it."""
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            methods = (
                n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
            )
            names.update(f"{node.name}::{method.name}" for method in methods)
    return {name for name in names if name.rpartition("::")[2].startswith("test_")}


def test_names_tests_at_all() -> None:
    assert len(NAMED) > 80
    assert len(ROWS) > 55


@pytest.mark.parametrize("file", sorted({name.partition("::")[0] for name in NAMED}))
def test_every_test_that_is_named_exists(file: str) -> None:
    named = {name.partition("::")[2] for name in NAMED if name.startswith(f"{file}::")}
    assert named - defined_in(PROTOCOL / file) == set()


def test_every_file_of_tests_proves_something() -> None:
    files = {file.name for file in PROTOCOL.glob("test_*.py")}
    not_of_the_protocol = {
        *(
            "test_other_routes.py",
            "test_metrics.py",
            "test_limits_transports.py",
            "test_workers.py",
            "test_after_the_answer.py",
            "test_lost_bytes.py",
            "test_asking_hooks.py",
        ),
        *("test_late_heads.py", "test_connection_limits.py", "test_open_uploads_limit.py"),
        *("test_limits.py", "test_limits_of_uploads.py"),
        *("test_page.py", "test_events.py"),
        *("test_attacks.py", "test_hostile_services.py"),
        *("test_content_checks.py", "test_content_rules.py"),
        *("test_publishing.py", "test_publishing_hooks.py"),
        *("test_auth.py", "test_auth_before_body.py", "test_auth_scopes.py"),
        *("test_auth_services.py", "test_auth_tokens.py", "test_upload_links.py"),
    }
    assert files - {name.partition("::")[0] for name in NAMED} == not_of_the_protocol


def test_every_requirement_has_a_proof() -> None:
    for level, requirement, answer, proof in ROWS:
        assert level in {"M", "S", "M, S", "S, M", ""}, requirement
        assert requirement.endswith("."), requirement
        assert answer, requirement
        assert re.fullmatch(r"(`test_\w+\.py::[\w:]+` ?)+", proof), requirement


@pytest.mark.parametrize(
    "section",
    [
        *("Core protocol", "Creation", "Creation with upload", "Expiration", "Checksum"),
        *("Termination", "Concatenation", "Decisions"),
    ],
)
def test_every_section_is_there(section: str) -> None:
    assert f"\n## {section}\n" in DOCUMENT
