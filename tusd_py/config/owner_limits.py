"""Reads the file of what particular owners may have, together with the settings that name it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)
from pydantic_core import ErrorDetails

from tusd_py.config.secret_files import read_secret_file, reading, show_path
from tusd_py.config.units import (
    WORDS_FOR_NONE,
    OptionalSize,
    Unit,
    parse_size,
    render_size,
)
from tusd_py.config.yaml_file import opened_yaml

#: So many places are looked through for a free one, one after the other.
MOST_TRANSFERS: Final = 1024

#: A number; None stands for no limit, and 0 for nothing at all.
Count = Annotated[
    int | None,
    WORDS_FOR_NONE,
    PlainSerializer(
        lambda count: "none" if count is None else count,
        return_type=int | str,
        when_used="json",
    ),
]
#: The same in bytes.
Amount = Annotated[
    int | None,
    BeforeValidator(lambda value: None if value is None else parse_size(value)),
    WORDS_FOR_NONE,
    PlainSerializer(lambda size: "none" if size is None else render_size(size), when_used="json"),
    Unit("SIZE"),
]
#: Bytes a second; none at all would be a transfer that never ends.
Rate = OptionalSize

_EXPLANATIONS: Final = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "greater_than_equal": "must be no less than 0",
    "less_than_equal": f"must be {MOST_TRANSFERS} at most",
}


class OwnerLimits(BaseModel):
    """What one owner may have; what is not set is as for everybody."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_size: OptionalSize = None
    open_uploads: Count = Field(default=None, ge=0)
    stored: Amount = None
    creations_per_hour: Count = Field(default=None, ge=0)
    transfers: Count = Field(default=None, ge=0, le=MOST_TRANSFERS)
    rate: Rate = None

    def given(self) -> dict[str, int | None]:
        """Return what the file says."""
        return {name: getattr(self, name) for name in self.model_fields_set}


@dataclass(frozen=True, slots=True)
class OwnerLimitsFile:
    """
    Limits by owner, and the file that they were in when the settings were read.

    Attributes:
        path: The file.
        owners: What each owner in it may have.
    """

    path: Path
    owners: Mapping[str, OwnerLimits]


def read_owner_limits(path: Path) -> OwnerLimitsFile:
    """
    Read a file of limits.

    Raises:
        ValueError: It cannot be read, or used; the message names the line.
    """
    with opened_yaml(read_secret_file(path).text) as (loader, node):
        if node is not None and not isinstance(node, yaml.MappingNode):
            raise ValueError("must hold owners, each with its limits below")
        owners = {} if node is None else _read_owners(node, loader)
    return OwnerLimitsFile(path, owners)


def _read_owners(node: yaml.MappingNode, loader: yaml.SafeLoader) -> dict[str, OwnerLimits]:
    owners: dict[str, OwnerLimits] = {}
    for key, value in node.value:
        # What the scalar says, whatever type YAML sees in it: an owner may be a number.
        owner, line = str(key.value), key.start_mark.line + 1
        if owner in owners:
            raise ValueError(f"names {owner} again in line {line}; keep one")
        if not isinstance(value, yaml.MappingNode):
            raise ValueError(f"has no limits for {owner} in line {line}; write `rate: 5MB` below")
        try:
            owners[owner] = OwnerLimits.model_validate(loader.construct_object(value, deep=True))
        except ValidationError as error:
            raise ValueError("; ".join(_told(each, value) for each in error.errors())) from None
    return owners


def _told(detail: ErrorDetails, node: yaml.MappingNode) -> str:
    """Say what is wrong with a limit, as the rest of a sentence whose subject is the file."""
    name = str(detail["loc"][0])
    line = next(
        (key.start_mark.line for key, _ in node.value if key.value == name), node.start_mark.line
    )
    context: dict[str, Any] = detail.get("ctx", {})
    if detail["type"] == "value_error":
        wrong = str(context["error"])
    elif detail["type"] == "extra_forbidden":
        wrong = f"is no limit; these are: {', '.join(OwnerLimits.model_fields)}"
    else:
        wrong = _EXPLANATIONS.get(detail["type"], f"is wrong: {detail['msg']}")
    return f"is wrong in line {line + 1}: {name} {wrong}"


OptionalOwnerLimits = Annotated[
    OwnerLimitsFile | None,
    Unit("PATH"),
    BeforeValidator(reading(read_owner_limits)),
    WORDS_FOR_NONE,
    PlainSerializer(show_path),
]
