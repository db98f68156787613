"""`serve` and `check-config` have a flag for every setting, and say where each value came from."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tusd_py.config.load import flag_of
from tusd_py.config.model import Settings, form_of, groups, written
from tusd_py.errors import DataDirectoryError

Run = Callable[..., Result]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What `serve` was called with, in place of a server."""
    served: list[Settings] = []
    monkeypatch.setattr(
        "tusd_py.supervisor.supervise",
        lambda settings, load_settings, greet: served.append(settings),
    )
    return served


def test_every_setting_has_a_flag_and_help_in_its_group(run: Run) -> None:
    text = run("serve", "--help").stdout
    position = -1
    for group, names in groups().items():
        assert text.index(f"\n{group}:\n") > position
        for name in names:
            assert text.index(f"  {flag_of(name)}") > position
            position = text.index(f"  {flag_of(name)}")
    assert "Traceback" not in text


def test_flags_alone_can_say_everything(run: Run, served: list[Settings]) -> None:
    wanted = Settings(
        port=0,
        public_url="https://example.org",
        max_size=5 * 2**30,
        expire_after=None,
        cors_origins=("https://a.example", "https://b.example"),
        cors_credentials=True,
        downloads=False,
        disabled_extensions=("checksum-trailer",),
        durability="relaxed",
        log_level="debug",
    )
    flags: list[str] = []
    for name, text in written(wanted).items():
        if form_of(name) == "true|false":
            flags.append(flag_of(name) if text == "true" else f"--no-{flag_of(name)[2:]}")
        else:
            flags += [flag_of(name), text]
    result = run("serve", *flags)
    assert result.exit_code == 0, result.stderr
    assert served == [wanted]


def test_lists_repeat_the_flag_or_have_commas(run: Run, served: list[Settings]) -> None:
    run("serve", "--cors-origins", "https://a.example", "--cors-origins", "https://b.example")
    run("serve", "--cors-origins", "https://a.example,https://b.example")
    run("serve", "--cors-origins", "none")
    run("serve")
    pair = ("https://a.example", "https://b.example")
    assert [settings.cors_origins for settings in served] == [pair, pair, (), ("*",)]


def test_settings_that_cannot_be_used_start_nothing(run: Run, served: list[Settings]) -> None:
    result = run("serve", "--max-size", "5 gigs", "--port", "http")
    assert (result.exit_code, served) == (1, [])
    first, second = result.stderr.splitlines()
    assert first.startswith('tusd-py: port = "http" (flag --port) must be a whole number')
    assert second.startswith('tusd-py: max_size = "5 gigs" (flag --max-size) has the unknown unit')
    assert run("serve", "--max-sise", "5GiB").exit_code == 2


@pytest.mark.parametrize(
    ("error", "complaint"),
    [
        (DataDirectoryError("Another server uses it."), "tusd-py: Another server uses it.\n"),
        (
            OSError(98, "Address already in use (while attempting to bind on address ...)"),
            "tusd-py: cannot listen on 127.0.0.1:1080 (Address already in use); choose another "
            "--host or --port\n",
        ),
    ],
)
def test_server_that_cannot_start_says_why(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, complaint: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("tusd_py.supervisor.supervise", fail)
    result = run("serve")
    assert (result.exit_code, result.stderr) == (1, complaint)


def test_check_config_shows_every_value_and_its_origin(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tusd.yaml").write_text("\nexpire_after: never\n")
    monkeypatch.setenv("TUSD_PY_PORT", "80")
    arguments = ("check-config", "--config", "tusd.yaml", "--max-size", "5 GiB", "--no-downloads")
    result = run(*arguments)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["SETTING", "FROM", "VALUE"]
    assert [line[0] for line in lines[1:]] == list(Settings.model_fields)
    assert ["expire_after", "tusd.yaml:2", "never"] in lines
    assert ["port", "environment", "TUSD_PY_PORT", "80"] in lines
    assert ["max_size", "flag", "--max-size", "5GiB"] in lines
    assert ["downloads", "flag", "--downloads", "false"] in lines
    assert ["host", "default", "127.0.0.1"] in lines
    document = json.loads(run(*arguments, "--json").stdout)["settings"]
    assert list(document) == list(Settings.model_fields)
    assert document["max_size"] == {
        "value": 5 * 2**30,
        "written": "5GiB",
        "origin": "flag --max-size",
    }
    assert document["expire_after"]["value"] is None
    assert document["data_dir"]["value"] == "data"
    assert document["cors_origins"]["value"] == ["*"]


def test_check_config_fails_as_serve_would(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "tusd.yaml"
    config.write_text("prot: 80\nport: 99999\n")
    result = run("check-config", "--config", config)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        f"tusd-py: {config}:1 has no setting 'prot'; did you mean port?",
        f"tusd-py: port = 99999 ({config}:2) must be between 0 and 65535",
    ]
    # --json counts wherever it stands.
    document = json.loads(run("check-config", "--config", config, "--json").stdout)
    assert document["error"]["code"] == "config_error"
    assert "did you mean port?" in document["error"]["message"]


def test_missing_configuration_file_is_named(run: Run) -> None:
    result = run("check-config", "--config", "nowhere.yaml")
    assert result.stderr == (
        "tusd-py: cannot read the configuration file nowhere.yaml: no such file or directory\n"
    )
