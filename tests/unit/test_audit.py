"""scripts/audit fails on what is vulnerable or broken, and not on a network that is away."""

import configparser
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNREACHABLE = "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.osv.dev')"
BLOCKED = "ERROR:pip_audit._cli:Tip: your network may be blocking this service. Try another"

#: Stands in for pip-audit: knows of what it is told, about the packages that it is asked about.
FAKE = """
import json, pathlib, sys
said = json.loads(pathlib.Path(__file__).with_name("says.json").read_text())
listed = sys.argv[sys.argv.index("--requirement") + 1]
names = [line.split("==") for line in pathlib.Path(listed).read_text().split()]
report = [{"name": name, "version": version, "vulns": []} for name, version in names]
for each in report:
    each["vulns"] = said.get("vulns", {}).get(each["name"], [])
    if each["name"] in said.get("skipped", []):
        del each["vulns"], each["version"]
        each["skip_reason"] = "not found"
if "error" in said:
    sys.exit(said["error"])
print(json.dumps({"dependencies": report, "fixes": []}))
sys.exit(bool(said.get("vulns")))
"""


def run(directory: Path, **says: object) -> subprocess.CompletedProcess[str]:
    """Run the audit with a pip-audit that says so, and return how it went."""
    fake = directory / "pip_audit"
    fake.mkdir()
    (fake / "__init__.py").touch()
    (fake / "__main__.py").write_text(FAKE)
    (fake / "says.json").write_text(json.dumps(says))
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "_audit.py"],
        env={**os.environ, "PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_what_nobody_knows_anything_against_is_right(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    count = re.match(r"(\d+) packages were audited; nothing is known", done.stdout)
    assert count is not None
    assert int(count[1]) > 20


def test_what_is_vulnerable_is_named_with_what_mends_it(tmp_path: Path) -> None:
    known = [{"id": "PYSEC-2026-1", "fix_versions": ["99.1"]}]
    done = run(tmp_path, vulns={"aiohttp": known})
    assert done.returncode == 1
    assert re.match(r"aiohttp \S+: PYSEC-2026-1, mended in 99\.1\n", done.stdout)


def test_what_comes_along_with_an_extra_is_audited_and_what_checks_the_project_is_not(
    tmp_path: Path,
) -> None:
    known = [{"id": "PYSEC-2026-1", "fix_versions": []}]
    done = run(tmp_path, vulns=dict.fromkeys(("cryptography", "mypy", "pytest"), known))
    assert done.returncode == 1
    assert done.stdout.startswith("cryptography ")
    assert done.stdout.count("PYSEC-2026-1, mended in no version yet") == 1


@pytest.mark.parametrize("last", [UNREACHABLE, BLOCKED, "pip_audit._service.ServiceError"])
def test_network_that_is_away_is_said_and_fails_nothing(tmp_path: Path, last: str) -> None:
    done = run(tmp_path, error=f"Traceback (most recent call last):\n{last}")
    assert done.returncode == 0
    assert done.stdout.startswith("NOTHING WAS AUDITED: ")


@pytest.mark.parametrize(
    "last", ["No module named pip_audit", "usage: pip-audit", "", "KeyError: 'ConnectionError'"]
)
def test_broken_pip_audit_fails(tmp_path: Path, last: str) -> None:
    done = run(tmp_path, error=last)
    assert done.returncode == 1
    assert "pip-audit is broken" in done.stderr
    assert last in done.stderr


def test_package_that_is_left_out_fails(tmp_path: Path) -> None:
    done = run(tmp_path, skipped=["aiohttp"])
    assert done.returncode == 1
    assert "left out: aiohttp" in done.stderr


def test_every_extra_for_running_the_server_is_installed_for_it() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    script = (ROOT / "scripts" / "audit").read_text()
    installed = re.search(r"^install_project (\S+)$", script, re.MULTILINE)
    assert installed is not None
    extras = set(parser["options.extras_require"]) - {"test", "dev"}
    assert extras == set(installed[1].split(",")) - {"dev"}


def test_ci_runs_it_and_fails_with_it() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "\nscripts/audit || audited=$?\n" in text
    assert '[ "$audited" -eq 0 ]' in text.splitlines()[-1]
