"""Reads the file of rules for what may be uploaded, together with the settings that name it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)
from pydantic_core import ErrorDetails

from tusd_py.config.secret_files import read_secret_file, reading, show_path
from tusd_py.config.units import WORDS_FOR_NONE, OptionalSize, Unit
from tusd_py.config.values import split_list
from tusd_py.config.yaml_file import opened_yaml
from tusd_py.content.media_types import canonical
from tusd_py.content.rules import Rule

#: A media type (RFC 6838, section 4.2), or a pattern of them.
_TYPE: Final = re.compile(r"[a-z0-9*][a-z0-9!#$&^_.+*-]{0,126}/[a-z0-9*][a-z0-9!#$&^_.+*-]{0,126}")
_EXPLANATIONS: Final = {
    "extra_forbidden": "is no part of a rule; these are: name, filenames, types, max_size",
    "missing": "is missing; write it",
    "list_type": "must be a list",
    "tuple_type": "must be a list, or its items with commas between them",
    "string_type": "must be text; put it in quotes",
    "string_too_short": "is empty",
    "too_short": "holds no rule, so that nothing could be uploaded; write one, or set none",
    "model_type": "must be a rule, which begins with `- name:`",
}


@dataclass(frozen=True, slots=True)
class RulesFile:
    """
    Rules, and the file that they were in when the settings were read.

    Attributes:
        path: The file.
        rules: One at least.
    """

    path: Path
    rules: tuple[Rule, ...]


def read_rules(path: Path) -> RulesFile:
    """
    Read a file of rules.

    Raises:
        ValueError: It cannot be read, or used; the message names the lines.
    """
    with opened_yaml(read_secret_file(path).text) as (loader, node):
        document = None if node is None else loader.construct_document(node)
    if node is None or not isinstance(document, dict):
        raise ValueError("must hold `rules:` and a list of rules below")
    try:
        file = _File.model_validate(document)
    except ValidationError as error:
        raise ValueError("; ".join(_told(each, node) for each in error.errors())) from None
    return RulesFile(path, tuple(rule.as_rule() for rule in file.rules))


def _check_types(types: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(map(canonical, types))
    for name in names:
        if not _TYPE.fullmatch(name):
            raise ValueError(f"has {name!r}, which is no type; write image/png, or image/*")
    return names


def _check_filenames(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if "/" in pattern or "\\" in pattern:
            raise ValueError(f"has {pattern!r}: names are compared without directories")
    return patterns


class _Rule(BaseModel):
    """A rule as it is written."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    filenames: Annotated[
        tuple[str, ...], BeforeValidator(split_list), AfterValidator(_check_filenames)
    ] = ()
    types: Annotated[
        tuple[str, ...], BeforeValidator(split_list), AfterValidator(_check_types)
    ] = ()
    max_size: OptionalSize = None

    def as_rule(self) -> Rule:
        """Return it as the server uses it."""
        return Rule(self.name, self.filenames, self.types, self.max_size)


class _File(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    rules: Annotated[list[_Rule], Field(min_length=1)]


def _told(detail: ErrorDetails, node: yaml.Node) -> str:
    """Say what is wrong with the file, as the rest of a sentence whose subject it is."""
    line, name = _place(detail["loc"], node)
    context: dict[str, Any] = detail.get("ctx", {})
    if detail["type"] == "value_error":
        wrong = str(context["error"])
    else:
        wrong = _EXPLANATIONS.get(detail["type"], f"is wrong: {detail['msg']}")
    if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1:
        wrong = "is not known here; there is `rules` alone"
    return f"is wrong in line {line}: {name} {wrong}"


def _place(location: Sequence[int | str], node: yaml.Node) -> tuple[int, str]:
    """Return the line where that part of the document begins, and the last name on the way."""
    name = "the file"
    line = node.start_mark.line + 1
    for step in location:
        if isinstance(step, str):
            name = step
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == step:
                    node, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line, name


OptionalRulesFile = Annotated[
    RulesFile | None,
    Unit("PATH"),
    BeforeValidator(reading(read_rules)),
    WORDS_FOR_NONE,
    PlainSerializer(show_path),
]
