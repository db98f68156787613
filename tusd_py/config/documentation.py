"""
Writes what is said about settings elsewhere, so that it cannot differ from the model.

`python -m tusd_py.config.documentation`, run at the top of the source tree, brings the tables in
docs/configuration.md and the whole of config/tusd_py.yaml up to date.
"""

import textwrap
from pathlib import Path
from typing import Final

from tusd_py.config.model import Settings, form_of, groups, written

DOCUMENT: Final = Path("docs/configuration.md")
EXAMPLE: Final = Path("config/tusd_py.yaml")

_BEGIN: Final = "<!-- Made by `python -m tusd_py.config.documentation`; do not edit. -->\n"
_END: Final = "<!-- End of what is made. -->\n"


def tables() -> str:
    """Return one Markdown table for every group of settings."""
    defaults = written(Settings())
    text = ""
    for group, names in groups().items():
        text += (
            f"\n### {group}\n\n| Setting | Written as | Default | Meaning |\n|---|---|---|---|\n"
        )
        for name in names:
            form = _form_in_words(form_of(name))
            description = str(Settings.model_fields[name].description).replace("|", r"\|")
            text += f"| `{name}` | {form} | `{defaults[name]}` | {description} |\n"
    return f"{text}\n"


def example() -> str:
    """Return a YAML file that sets every setting to its default, and says what it means."""
    defaults = written(Settings())
    text = (
        "# Every setting of tusd_py with its default: copy it, keep what you change.\n"
        "# Use it with `tusd-py serve --config FILE`, or name it in TUSD_PY_CONFIG.\n"
        "# Sizes are written 5GiB or 100MB, times 90s, 24h or 7d.\n"
    )
    for group, names in groups().items():
        text += f"\n# --- {group} ---\n"
        for name in names:
            description = str(Settings.model_fields[name].description)
            form = form_of(name)
            if "|" in form and form not in ("true|false", "NUMBER|auto"):
                description += f" One of: {form.replace('|', ', ')}."
            text += "\n" + textwrap.fill(
                description, 98, initial_indent="# ", subsequent_indent="# "
            )
            text += f"\n{name}: {_yaml(form, defaults[name])}\n"
    return text


def with_tables(document: str) -> str:
    """
    Return *document* with the tables between its two marks renewed.

    Raises:
        ValueError: The marks are not there.
    """
    before, begin, rest = document.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(
            f"{DOCUMENT} lacks the lines between which the tables stand:\n{_BEGIN}{_END}"
        )
    return f"{before}{begin}{tables()}{end}{after}"


def _form_in_words(form: str) -> str:
    if form.isupper():
        return form.lower()
    *others, last = (f"`{choice}`" for choice in form.split("|"))
    return f"{', '.join(others)} or {last}"


def _yaml(form: str, value: str) -> str:
    if form == "LIST":
        items = [] if value == "none" else value.split(", ")
        return f"[{', '.join(item if item.isalnum() else repr(item) for item in items)}]"
    return repr(value) if value.startswith("{") else value  # a mapping, to YAML


def main() -> None:
    """Bring both files up to date."""
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")


if __name__ == "__main__":
    main()
