"""
Parses the command line and turns failures into one or two lines and an exit code.

A command's module is imported when the command is called for, so that `tusd-py version` need not
wait for the server to be imported.
"""

from importlib import import_module
from typing import Any, Final

import click

from tusd_py import __version__
from tusd_py.cli.output import Failure, Interrupted, wants_json
from tusd_py.errors import TusError

_COMMANDS: Final = {
    "serve": ("tusd_py.cli.serving", "serve"),
    "upload": ("tusd_py.cli.upload", "upload"),
    "ls": ("tusd_py.cli.commands", "ls"),
    "show": ("tusd_py.cli.commands", "show"),
    "link": ("tusd_py.cli.link", "link"),
    "token": ("tusd_py.cli.make_token", "token"),
    "usage": ("tusd_py.cli.usage", "usage"),
    "rm": ("tusd_py.cli.commands", "rm"),
    "hooks": ("tusd_py.cli.hooks", "hooks"),
    "sweep": ("tusd_py.cli.commands", "sweep"),
    "doctor": ("tusd_py.cli.doctor", "doctor"),
    "verify": ("tusd_py.cli.verify", "verify"),
    "check-config": ("tusd_py.cli.serving", "check_config"),
    "version": ("tusd_py.cli.commands", "version"),
}


class _Commands(click.Group):
    """The commands, each imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Failure as failure:
            failed = failure
        except TusError as error:
            failed = Failure(error.code, error.message)
        except (KeyboardInterrupt, click.Abort):
            failed = Interrupted()
        except BrokenPipeError:
            raise  # Whoever read our output has seen enough; click ends quietly.
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            failed = Failure("os_error", f"{place}{error.strerror or error}")
        failed.as_json = wants_json(ctx)
        raise failed


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="tusd-py %(version)s")
def main() -> None:
    """
    Receive files over bad networks: a resumable-upload server that speaks tus 1.0.0.

    Start with `tusd-py serve`, then `tusd-py upload FILE --to http://127.0.0.1:1080/files/`.
    """
