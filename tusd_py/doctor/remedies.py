"""
Knows what each finding means, and the line that changes it in each proxy.

docs/doctor.md shows the same; a test compares the two.
"""

from typing import Final

from tusd_py.doctor.remedies_access import ACCESS
from tusd_py.doctor.remedies_bodies import BODIES
from tusd_py.doctor.remedies_cors import CORS
from tusd_py.doctor.remedies_headers import HEADERS
from tusd_py.doctor.remedy import Remedy

REMEDIES: Final[dict[str, Remedy]] = {**ACCESS, **HEADERS, **BODIES, **CORS}


def catalogue() -> str:
    """Return all findings and remedies in Markdown, for docs/doctor.md."""
    return "\n".join(_section(code, remedy) for code, remedy in REMEDIES.items())


def _section(code: str, remedy: Remedy) -> str:
    kind = "broken" if remedy.is_needed else "warning"
    lines = [f"{place:<13}  {line}" for place, line in remedy.lines()]
    return "\n".join(
        [f"### {code}", "", f"{remedy.meaning} ({kind})", "", "```text", *lines, "```", ""]
    )
