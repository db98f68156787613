"""Starts the server, or shows the settings it would start with; every setting has a flag."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tusd_py.cli.output import Failure, json_option, print_json, print_table
from tusd_py.config.load import ConfigError, LoadedSettings, flag_of, load_settings
from tusd_py.config.model import Settings, form_of, groups, written


def load(config: Path | None, flags: dict[str, Any]) -> LoadedSettings:
    """
    Return the effective settings of a command that was given *config* and *flags*.

    Raises:
        Failure: They cannot be used; the message has a line for each problem.
    """
    # A flag that may be repeated is an empty tuple when it was not given at all.
    given = {name: None if value == () else value for name, value in flags.items()}
    try:
        return load_settings(config_file=config, environ=os.environ, flags=given)
    except ConfigError as error:
        raise Failure("config_error", str(error)) from error


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="YAML file with settings; TUSD_PY_CONFIG names it too.",
)


class _CommandWithSettings(click.Command):
    """A command with a flag for every setting, which its help shows in the model's groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {group: [] for group in groups()}
        group_of = {name: group for group, names in groups().items() for name in names}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                group = group_of.get(parameter.name or "", "Options")
                sections.setdefault(group, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _settings_options(command: Callable[..., None]) -> Callable[..., None]:
    defaults = written(Settings())
    for name in reversed(Settings.model_fields):
        form, flag = form_of(name), flag_of(name)
        is_switch = form == "true|false"
        description = str(Settings.model_fields[name].description)
        command = click.option(
            f"{flag}/--no-{flag.removeprefix('--')}" if is_switch else flag,
            name,
            default=None,
            multiple=form == "LIST",
            metavar=None if is_switch else form,
            help=f"{description} [default: {defaults[name]}]",
        )(command)
    return command


@click.command(cls=_CommandWithSettings)
@config_option
@_settings_options
def serve(config: Path | None, **flags: Any) -> None:
    """
    Receive uploads until told to stop (Ctrl-C or SIGTERM).

    Settings come from --config, then TUSD_PY_... in the environment, then these flags. Sizes are
    written 5GiB or 100MB, times 90s, 24h or 7d; lists have commas or repeat the flag.
    """
    settings = load(config, flags).settings
    from tusd_py.server import serve as serve_uploads  # noqa: PLC0415 -- needless for --help

    try:
        serve_uploads(settings)
    except OSError as error:
        address, reason = f"{settings.host}:{settings.port}", error.strerror or error
        raise Failure(
            "cannot_listen",
            f"cannot listen on {address} ({reason}); choose another --host or --port",
        ) from error


@click.command(cls=_CommandWithSettings)
@config_option
@json_option
@_settings_options
def check_config(config: Path | None, as_json: bool, **flags: Any) -> None:
    """
    Show every setting that `serve` would use, and where it comes from.

    Takes what `serve` takes, and exits with 1 when that cannot be used.
    """
    loaded = load(config, flags)
    texts = written(loaded.settings)
    values = loaded.settings.model_dump()
    if as_json:
        settings = {
            name: {"value": values[name], "written": texts[name], "origin": str(origin)}
            for name, origin in loaded.origins.items()
        }
        print_json({"settings": settings})
        return
    rows = [(name, texts[name], str(origin)) for name, origin in loaded.origins.items()]
    print_table(("SETTING", "VALUE", "FROM"), rows)
