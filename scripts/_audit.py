"""Audits what is installed to run tusd_py; see scripts/audit, which runs this."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: Extras for those who work on the project; nothing of them is there when the server runs.
_NOT_TO_RUN: Final = {"test", "dev"}
_SECONDS: Final = 60
#: How pip-audit's last words begin where its service did not answer, or refused to.
_UNREACHABLE: Final = re.compile(
    r"[\w.]*(ConnectionError|Timeout|SSLError|ProxyError|ServiceError)\b"
    r"|.*your network may be blocking this service"
)


def installed() -> dict[str, str]:
    """Return the version of each package that the server needs, by its name."""
    extras = frozenset(distribution("tusd-py").metadata.get_all("Provides-Extra") or [])
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [("tusd-py", extra) for extra in ("", *sorted(extras - _NOT_TO_RUN))]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found[name] = distribution(name).version
        waiting += _needs(name, extra)
    del found["tusd-py"]
    return found


def _needs(name: str, extra: str) -> Iterator[tuple[str, str]]:
    for line in distribution(name).requires or []:
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": extra}):
            for each in ("", *needed.extras):
                yield canonicalize_name(needed.name), each


def audit(packages: dict[str, str]) -> str | dict[str, Any]:
    """Return pip-audit's report of *packages*, or in a sentence why there is none."""
    with tempfile.TemporaryDirectory() as directory:
        listed = Path(directory, "installed.txt")
        listed.write_text("".join(f"{name}=={packages[name]}\n" for name in sorted(packages)))
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(listed)]
        command += ["--no-deps", "--disable-pip", "--vulnerability-service", "osv"]
        command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
        try:
            done = subprocess.run(  # noqa: S603 - of names and versions of installed packages
                command, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return f"the list of vulnerabilities did not answer within {_SECONDS} seconds"
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        if done.returncode != 0 and _UNREACHABLE.match(last):
            return f"the list of vulnerabilities cannot be reached ({last[:300]})"
        sys.exit(f"pip-audit is broken; it ended with {done.returncode} and said:\n{done.stderr}")
    return report


def main() -> None:
    """Audit, and end with 1 where something is found."""
    packages = installed()
    report = audit(packages)
    if isinstance(report, str):
        print(f"NOTHING WAS AUDITED: {report}.")
        return
    audited = [each for each in report["dependencies"] if "vulns" in each]
    vulnerable = [each for each in audited if each["vulns"]]
    for each in vulnerable:
        for found in each["vulns"]:
            mended = ", ".join(found["fix_versions"]) or "no version yet"
            print(f"{each['name']} {each['version']}: {found['id']}, mended in {mended}")
    left_out = packages.keys() - {canonicalize_name(each["name"]) for each in audited}
    if left_out:
        sys.exit(f"pip-audit left out: {', '.join(sorted(left_out))}")
    if vulnerable:
        sys.exit(f"{len(vulnerable)} of {len(packages)} packages are vulnerable: see above")
    print(f"{len(packages)} packages were audited; nothing is known against them.")


if __name__ == "__main__":
    main()
