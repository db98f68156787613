"""The command line starts quickly, and ends with the right code and no traceback."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import Result

from tusd_py import __version__
from tusd_py.cli.main import main

Run = Callable[..., Result]


def test_help_lists_every_command(run: Run) -> None:
    text = run("--help").stdout
    for command in (
        "serve",
        "upload",
        "ls",
        "show",
        "usage",
        "rm",
        "sweep",
        "verify",
        "check-config",
        "version",
    ):
        assert f"\n  {command} " in text
        result = run(command, "-h")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: main {command} ")


def test_program_tells_its_version(run: Run) -> None:
    assert run("--version").stdout == f"tusd-py {__version__}\n"


@pytest.mark.parametrize("arguments", [["lss"], ["ls", "--nonsense"], ["show"], ["rm"]])
def test_wrong_command_line_exits_with_2(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


@pytest.mark.parametrize(
    ("error", "exit_code", "shown", "code"),
    [
        (KeyboardInterrupt(), 130, "interrupted", "interrupted"),
        (
            PermissionError(13, "Permission denied", "data"),
            1,
            "data: Permission denied",
            "os_error",
        ),
        (OSError("strange"), 1, "strange", "os_error"),
    ],
)
def test_failures_end_in_a_line(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    exit_code: int,
    shown: str,
    code: str,
) -> None:
    def fail(_: str) -> str:
        raise error

    monkeypatch.setattr("tusd_py.cli.commands._installed", fail)
    result = run("version")
    assert (result.exit_code, result.stderr) == (exit_code, f"tusd-py: {shown}\n")
    result = run("version", "--json")
    assert result.exit_code == exit_code
    assert json.loads(result.stdout) == {"error": {"code": code, "message": shown}}


def test_reader_who_left_ends_the_program_quietly(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> str:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("tusd_py.cli.commands._installed", fail)
    result = run("version")
    assert (result.exit_code, result.output) == (1, "")


def test_version_needs_neither_server_nor_clients() -> None:
    script = (
        "import sys; from tusd_py.cli.main import main; main(['version'], standalone_mode=False);"
        "sys.exit(str({'aiohttp', 'pydantic', 'requests', 'tusclient', 'yaml'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert result.stderr == "set()\n"


def test_module_is_the_program() -> None:
    command = [sys.executable, "-m", "tusd_py", "show"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("Usage: tusd-py show ")


def test_entry_point_exists() -> None:
    assert callable(main)
