"""Starts the server, or shows the settings it would start with; every setting has a flag."""

import os
import shutil
import sys
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
    try:
        return _read(config, flags)
    except ConfigError as error:
        raise Failure("config_error", str(error)) from error


def _read(config: Path | None, flags: dict[str, Any]) -> LoadedSettings:
    # A flag that may be repeated is an empty tuple when it was not given at all.
    given = {name: None if value == () else value for name, value in flags.items()}
    return load_settings(config_file=config, environ=os.environ, flags=given)


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
    from tusd_py.supervisor import supervise  # noqa: PLC0415 -- needless for --help

    settings = load(config, flags).settings
    try:
        supervise(settings, lambda: _read(config, flags).settings, _greet)
    except ConfigError as error:
        raise Failure("config_error", str(error)) from error
    except OSError as error:
        address, remedy = f"{settings.host}:{settings.port}", "choose another --host or --port"
        if settings.unix_socket is not None:
            address, remedy = str(settings.unix_socket), "choose another --unix-socket"
        reason = error.strerror or error
        if isinstance(error.errno, int) and error.errno > 0:
            reason = os.strerror(error.errno)  # what Python adds to it says no more
        raise Failure(
            "cannot_listen",
            f"cannot listen on {address} ({reason}); {remedy}",
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
    rows = [(name, str(origin), texts[name]) for name, origin in loaded.origins.items()]
    print_table(("SETTING", "FROM", "VALUE"), rows)


def _greet(settings: Settings, port: int) -> None:
    """Tell people where to upload to and what to try; standard output is for this alone."""
    url = settings.public_url or _own_url(settings, port)
    lines = [f"Uploads: {url}{settings.base_path}"]
    if settings.public_url is not None and settings.unix_socket is not None:
        lines.append(f"Listens: {settings.unix_socket}")
    lines.append(f"Data:    {settings.data_dir.resolve()}")
    if not url.startswith("http://unix:"):
        lines += [f"Page:    {url}/"] if settings.page else []
        lines.append(f"Try:     {_program()} upload FILE --to {url}{settings.base_path}")
    print(*lines, "Stop:    Ctrl-C", sep="\n", flush=True)


def _own_url(settings: Settings, port: int) -> str:
    """Return where this server listens; a unix socket is written as nginx does."""
    scheme = "http" if settings.tls_certificate is None else "https"
    if settings.unix_socket is not None:
        return f"{scheme}://unix:{settings.unix_socket.resolve()}:"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - to connect to
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _program() -> str:
    """Return what to type for this program, wherever it was installed."""
    if shutil.which("tusd-py"):
        return "tusd-py"
    path = Path(sys.argv[0])
    if path.name != "tusd-py":
        return "python -m tusd_py"
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
