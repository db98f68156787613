"""
Merges defaults, file, environment and flags into settings, remembering where each value came from.

Later sources win: defaults < YAML file < environment (`TUSD_PY_MAX_SIZE`) < flags (`--max-size`).
Nothing is passed over in silence: what no setting is called is refused, and so is what it may not
be. All problems are told at once, each with its source.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

import yaml
from annotated_types import Ge, Le
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tusd_py.config.model import Settings
from tusd_py.config.units import Unit, render_duration, render_size

PREFIX: Final = "TUSD_PY_"
#: Names the YAML file when --config does not; it is no setting itself.
CONFIG_VARIABLE: Final = f"{PREFIX}CONFIG"

#: What the environment of a pod has for a service in its namespace. TUSD_PY_PORT is among it too.
_SERVICE_LINK: Final = re.compile(rf"{PREFIX}(SERVICE_(HOST|PORT\w*)|PORT_[0-9]+_\w+)")

_NO_VALUE: Final = "has no value; write one, or leave the setting out"
_EXPLANATIONS: Final = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "greater_than": "must be more than 0",
    "path_type": "must be text; put it in quotes",
    "string_type": "must be text; put it in quotes",
    "tuple_type": "must be a list, or its items with commas between them",
}


class ConfigError(Exception):
    """
    The settings cannot be used; nothing was started.

    Its text is safe to print: one line for each problem, naming setting, source and remedy.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from; as text, what check-config shows."""

    kind: Literal["default", "file", "environment", "flag"]
    place: str = ""

    def __str__(self) -> str:
        if self.kind == "file":
            return self.place
        return f"{self.kind} {self.place}".rstrip()


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Valid settings, and for every one of them where its value came from."""

    settings: Settings
    origins: dict[str, Origin]
    config_file: Path | None


@dataclass(slots=True)
class _Merge:
    """What the sources said so far, later ones over earlier ones."""

    values: dict[str, object] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, value: object, origin: Origin) -> None:
        self.values[name] = value
        self.origins[name] = origin


def load_settings(
    *, config_file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]
) -> LoadedSettings:
    """
    Return the effective settings.

    Args:
        config_file: A YAML file; None to use the one that TUSD_PY_CONFIG names, if any.
        environ: The environment.
        flags: What was given on the command line, by the settings' names; None means not given.

    Raises:
        ConfigError: A source cannot be read, names an unknown setting, or has a value that its
            setting cannot take.
    """
    merge = _Merge()
    if config_file is None and environ.get(CONFIG_VARIABLE):
        config_file = Path(environ[CONFIG_VARIABLE])
    if config_file is not None:
        _add_file(merge, config_file)
    _add_environment(merge, environ)
    for name, value in flags.items():
        if value is not None:
            merge.add(name, value, Origin("flag", flag_of(name)))
    settings = _validate(merge)
    if settings is None or merge.problems:
        raise ConfigError(merge.problems)
    origins = {name: merge.origins.get(name, Origin("default")) for name in Settings.model_fields}
    return LoadedSettings(settings, origins, config_file)


def flag_of(name: str) -> str:
    """Return the flag that sets the setting *name*."""
    return f"--{name.replace('_', '-')}"


def variable_of(name: str) -> str:
    """Return the environment variable that sets the setting *name*."""
    return f"{PREFIX}{name.upper()}"


def _add_environment(merge: _Merge, environ: Mapping[str, str]) -> None:
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        name = variable.removeprefix(PREFIX).lower()
        origin = Origin("environment", variable)
        if name in Settings.model_fields and variable == variable_of(name):
            merge.add(name, environ[variable], origin)
        elif _SERVICE_LINK.fullmatch(variable):
            merge.problems.append(
                f"{origin} is no setting; Kubernetes makes it for a service named tusd-py: "
                "set enableServiceLinks to false in the pod, or name the service otherwise"
            )
        else:
            # Compared without the prefix, which would make any two variables look alike.
            close = _closest(name, [*Settings.model_fields, "config"])
            merge.problems.append(
                f"{origin} is no setting; {_remedy(close and variable_of(close))}"
            )


def _add_file(merge: _Merge, path: Path) -> None:
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        try:
            node = loader.get_single_node()
            if isinstance(node, yaml.MappingNode):
                _add_mapping(merge, path, node, loader)
            elif node is not None:
                merge.problems.append(f"{path} must hold settings, one `name: value` a line")
        finally:
            loader.dispose()
    except UnicodeDecodeError:
        merge.problems.append(f"{path} is not UTF-8 text; save it as such")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        merge.problems.append(f"cannot read the configuration file {path}: {reason}")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        merge.problems.append(f"{where} is not YAML: {error.problem or error.context}")
    except yaml.YAMLError as error:
        merge.problems.append(f"{path} is not YAML: {str(error).splitlines()[0]}")


def _add_mapping(
    merge: _Merge, path: Path, mapping: yaml.MappingNode, loader: yaml.SafeLoader
) -> None:
    lines: dict[str, int] = {}
    for key_node, value_node in mapping.value:
        line = key_node.start_mark.line + 1
        origin = Origin("file", f"{path}:{line}")
        # What the scalar says, whatever type YAML sees in it.
        name = str(key_node.value)
        if not isinstance(key_node, yaml.ScalarNode):
            merge.problems.append(f"{origin} must begin with the name of a setting")
        elif name in lines:
            # YAML itself would quietly let the last one win.
            merge.problems.append(f"{origin} sets {name} again, after line {lines[name]}; keep one")
        elif name not in Settings.model_fields:
            close = _closest(name, Settings.model_fields)
            merge.problems.append(f"{origin} has no setting {name!r}; {_remedy(close)}")
        else:
            merge.add(name, loader.construct_object(value_node, deep=True), origin)
        lines.setdefault(name, line)


def _closest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1)), None)


def _remedy(close: str | None) -> str:
    return f"did you mean {close}?" if close else "`tusd-py serve --help` lists all settings"


def _validate(merge: _Merge) -> Settings | None:
    try:
        return Settings.model_validate(merge.values)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            name = str(detail["loc"][0])
            # An item of a list is told by itself; any other value as it was written.
            value = detail["input"] if len(detail["loc"]) > 1 else merge.values.get(name)
            origin = merge.origins.get(name, Origin("default"))
            is_empty = value is None and name in merge.values
            wrong = _NO_VALUE if is_empty else _explain(name, detail)
            merge.problems.append(f"{name} = {_shown(value)} ({origin}) {wrong}")
        return None


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 150 else f"{text[:147]}..."


def _explain(name: str, detail: ErrorDetails) -> str:
    """Say what is wrong, as the rest of a sentence whose subject is the setting."""
    context: dict[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return _explain_choice(name, detail["input"])
        case "int_parsing" | "int_parsing_size" | "int_type" | "int_from_float":
            return f"must be a whole number {_range_of(name)}".rstrip()
        case "greater_than_equal" | "less_than_equal":
            return f"must be {_range_of(name)}"
        case kind:
            return _EXPLANATIONS.get(kind, f"is wrong: {detail['msg']}")


def _explain_choice(name: str, given: object) -> str:
    annotation = Settings.model_fields[name].annotation
    choices = get_args(annotation)
    if choices[-1] is Ellipsis:
        choices = get_args(choices[0])
    close = difflib.get_close_matches(str(given).lower(), choices, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"must be one of {', '.join(choices)}{hint}"


def _range_of(name: str) -> str:
    lower: Any = None
    upper: Any = None
    render: Callable[[Any], str] = str
    for item in Settings.model_fields[name].metadata:
        match item:
            case Ge(ge=bound):
                lower = bound
            case Le(le=bound):
                upper = bound
            case Unit(name="SIZE"):
                render = render_size
            case Unit(name="TIME"):
                render = render_duration
    if upper is not None:
        return f"between {render(lower)} and {render(upper)}"
    return "" if lower is None else f"no less than {render(lower)}"
