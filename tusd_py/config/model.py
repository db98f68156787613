"""
Types each setting, with its default, its group and its help.

Everything that shows settings (flags, tables, the example file, errors) is made from this model.
"""

import os
from pathlib import Path
from typing import Literal, cast, get_args, get_origin

from pydantic import ConfigDict

from tusd_py.config.settings.access import AccessSettings
from tusd_py.config.settings.clients import ClientSettings
from tusd_py.config.settings.connections import ConnectionSettings
from tusd_py.config.settings.content import ContentSettings
from tusd_py.config.settings.keeping import KeepingSettings
from tusd_py.config.settings.limits import LimitSettings
from tusd_py.config.settings.publishing import PublishingSettings
from tusd_py.config.settings.telling import TellingSettings
from tusd_py.config.units import Unit


# Fields come in the order of the bases from the last to the first.
class Settings(
    TellingSettings,
    AccessSettings,
    ClientSettings,
    PublishingSettings,
    ContentSettings,
    KeepingSettings,
    LimitSettings,
    ConnectionSettings,
):
    """Every setting of the server; frozen, complete and valid once it exists."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def process_count(self) -> int:
        """Return how many processes serve."""
        return self.workers or len(os.sched_getaffinity(0))


def groups() -> dict[str, list[str]]:
    """Return the names of all settings by group, both in the order of the model."""
    found: dict[str, list[str]] = {}
    for name, field in Settings.model_fields.items():
        extra = cast(dict[str, str], field.json_schema_extra)
        found.setdefault(extra["group"], []).append(name)
    return found


def form_of(name: str) -> str:
    """Return how the value of the setting *name* is written, in a word or as its choices."""
    field = Settings.model_fields[name]
    for item in field.metadata:
        if isinstance(item, Unit):
            return item.name
    if get_origin(field.annotation) is tuple:
        return "LIST"
    if get_origin(field.annotation) is Literal:
        return "|".join(get_args(field.annotation))
    forms: dict[object, str] = {
        bool: "true|false",
        int: "NUMBER",
        int | None: "NUMBER",
        Path: "PATH",
    }
    return forms.get(field.annotation, "TEXT")


def written(settings: Settings) -> dict[str, str]:
    """Return the value of every setting as people write it on one line."""
    return {
        name: value if isinstance(value, str) else _written(value)
        for name, value in settings.model_dump(mode="json").items()
    }


def _written(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return str(value).lower()
