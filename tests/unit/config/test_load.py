"""Sources are merged in order, nothing unknown passes, and every complaint names its source."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tusd_py.config.load import ConfigError, LoadedSettings, Origin, load_settings
from tusd_py.config.model import Settings

Load = Callable[..., LoadedSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(
        yaml: str | None = None, environ: Mapping[str, str] | None = None, **flags: Any
    ) -> LoadedSettings:
        file = None
        if yaml is not None:
            file = tmp_path / "tusd.yaml"
            file.write_text(yaml, encoding="utf-8")
        return load_settings(config_file=file, environ=environ or {}, flags=flags)

    return load


def problems_of(load: Load, *args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(*args, **kwargs)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)


def test_nothing_given_means_defaults(load: Load) -> None:
    loaded = load()
    assert loaded.settings == Settings()
    assert set(loaded.origins) == set(Settings.model_fields)
    assert {str(origin) for origin in loaded.origins.values()} == {"default"}


def test_later_sources_win(load: Load, tmp_path: Path) -> None:
    loaded = load(
        "host: a.example\nport: 1\nmax_size: 1GiB\n\nlock_timeout: 1s\n",
        {"TUSD_PY_PORT": "2", "TUSD_PY_MAX_SIZE": "2GiB", "PATH": "/bin"},
        max_size="3GiB",
        idle_timeout=None,
    )
    settings = loaded.settings
    assert (settings.host, settings.port, settings.max_size) == ("a.example", 2, 3 * 2**30)
    assert (settings.lock_timeout, settings.idle_timeout) == (1, 60)
    origins = {name: str(origin) for name, origin in loaded.origins.items()}
    assert origins["host"] == f"{tmp_path}/tusd.yaml:1"
    assert origins["lock_timeout"] == f"{tmp_path}/tusd.yaml:5"
    assert origins["port"] == "environment TUSD_PY_PORT"
    assert origins["max_size"] == "flag --max-size"
    assert loaded.origins["idle_timeout"] == Origin("default")


def test_environment_names_the_file_unless_a_flag_does(tmp_path: Path) -> None:
    by_name, by_flag = tmp_path / "name.yaml", tmp_path / "flag.yaml"
    by_name.write_text("port: 1")
    by_flag.write_text("port: 2")
    environ = {"TUSD_PY_CONFIG": str(by_name)}
    loaded = load_settings(config_file=None, environ=environ, flags={})
    assert (loaded.settings.port, loaded.config_file) == (1, by_name)
    loaded = load_settings(config_file=by_flag, environ=environ, flags={})
    assert (loaded.settings.port, loaded.config_file) == (2, by_flag)
    loaded = load_settings(config_file=None, environ={"TUSD_PY_CONFIG": ""}, flags={})
    assert loaded.config_file is None


def test_lists_have_commas_or_are_lists(load: Load) -> None:
    wanted = ("https://a.example", "https://b.example")
    assert (
        load("cors_origins: [https://a.example, https://b.example]").settings.cors_origins == wanted
    )
    assert load("cors_origins: https://a.example,https://b.example").settings.cors_origins == wanted
    environ = {"TUSD_PY_CORS_ORIGINS": "https://a.example, https://b.example"}
    assert load(environ=environ).settings.cors_origins == wanted
    assert load(cors_origins=wanted).settings.cors_origins == wanted
    assert load(cors_origins=(",".join(wanted),)).settings.cors_origins == wanted
    assert load(environ={"TUSD_PY_CORS_ORIGINS": ""}).settings.cors_origins == ()


def test_unknown_key_is_refused(load: Load, tmp_path: Path) -> None:
    assert problems_of(load, "port: 1\nmax-sise: 5GiB\nqqq: 1") == [
        f"{tmp_path}/tusd.yaml:2 has no setting 'max-sise'; did you mean max_size?",
        f"{tmp_path}/tusd.yaml:3 has no setting 'qqq'; `tusd-py serve --help` lists all settings",
    ]


def test_unknown_variable_is_refused(load: Load) -> None:
    environ = {"TUSD_PY_MAXSIZE": "1", "TUSD_PY_QQQ": "1", "TUSD_PY_port": "1"}
    assert problems_of(load, environ=environ) == [
        "environment TUSD_PY_MAXSIZE is no setting; did you mean TUSD_PY_MAX_SIZE?",
        "environment TUSD_PY_QQQ is no setting; `tusd-py serve --help` lists all settings",
        "environment TUSD_PY_port is no setting; did you mean TUSD_PY_PORT?",
    ]


def test_what_kubernetes_adds_is_recognised(load: Load) -> None:
    environ = {
        "TUSD_PY_PORT": "tcp://10.0.0.1:1080",
        "TUSD_PY_PORT_1080_TCP_ADDR": "10.0.0.1",
        "TUSD_PY_SERVICE_HOST": "10.0.0.1",
        "TUSD_PY_SERVICE_PORT_HTTP": "1080",
    }
    *service, port = problems_of(load, environ=environ)
    assert len(service) == 3
    assert all("set enableServiceLinks to false" in problem for problem in service)
    assert port.startswith('port = "tcp://10.0.0.1:1080" (environment TUSD_PY_PORT) must be')


def test_all_problems_are_told_at_once(load: Load, tmp_path: Path) -> None:
    yaml = "max_size: 5 gigs\nport: 70000\nprot: 1\nlog_level: warn\n"
    problems = problems_of(load, yaml, {"TUSD_PY_DOWNLOADS": "perhaps"}, expire_after="24 hours")
    file = f"{tmp_path}/tusd.yaml"
    assert problems == [
        f"{file}:3 has no setting 'prot'; did you mean port?",
        f"port = 70000 ({file}:2) must be between 0 and 65535",
        f"max_size = \"5 gigs\" ({file}:1) has the unknown unit 'gigs'; write a number with a unit"
        ", such as 5GiB, 1.5GiB, 100MB, or a plain number of bytes; none means no limit",
        'expire_after = "24 hours" (flag --expire-after) is not a time; write a number with a unit '
        "(ms, s, m, h, d or w), such as 90s, 24h, 7d, 1h30m, or a plain number of seconds; "
        "never means that it has no end",
        'downloads = "perhaps" (environment TUSD_PY_DOWNLOADS) must be true or false',
        f'log_level = "warn" ({file}:4) must be one of debug, info, warning, error; '
        "did you mean warning?",
    ]


@pytest.mark.parametrize(
    ("yaml", "complaint"),
    [
        ("port: [1]", "port = [1] (tusd.yaml:1) must be a whole number between 0 and 65535"),
        (
            "workers: 1.5",
            "workers = 1.5 (tusd.yaml:1) must be a whole number no less than 1, or auto",
        ),
        ("workers: 0", "workers = 0 (tusd.yaml:1) must be a whole number no less than 1, or auto"),
        (
            "workers: all",
            'workers = "all" (tusd.yaml:1) must be a whole number no less than 1, or auto',
        ),
        ("buffer_budget: 1KiB", 'buffer_budget = "1KiB" (tusd.yaml:1) must be no less than 64KiB'),
        ("idle_timeout: 0", "idle_timeout = 0 (tusd.yaml:1) must be more than 0"),
        ("host: 3", "host = 3 (tusd.yaml:1) must be text; put it in quotes"),
        ("data_dir: 3", "data_dir = 3 (tusd.yaml:1) must be text; put it in quotes"),
        ("downloads: [1]", "downloads = [1] (tusd.yaml:1) must be true or false"),
        ("host:", "host = null (tusd.yaml:1) has no value; write one, or leave the setting out"),
        (
            "cors_origins: 3",
            "cors_origins = 3 (tusd.yaml:1) must be a list, or its items with commas between them",
        ),
        (
            "disabled_extensions: [checksum, checksums]",
            'disabled_extensions = "checksums" (tusd.yaml:1) must be one of creation, '
            "creation-with-upload, creation-defer-length, expiration, checksum, checksum-trailer, "
            "termination, concatenation, concatenation-unfinished; did you mean checksum?",
        ),
        (
            "cors_credentials: true",
            "cors_credentials = true (tusd.yaml:1) cannot be on while cors_origins has *; "
            "name the origins instead",
        ),
        ("port: 1\n\nport: 2", "tusd.yaml:3 sets port again, after line 1; keep one"),
        ("- port", "tusd.yaml must hold settings, one `name: value` a line"),
        ("[a]: 1", "tusd.yaml:1 must begin with the name of a setting"),
        ("host: a: b", "tusd.yaml:1 is not YAML: mapping values are not allowed here"),
        ("---\n---\n", "tusd.yaml:2 is not YAML: but found another document"),
        ("host: \x07", "tusd.yaml is not YAML: unacceptable character #x0007"),
        ("host: !!python/name:os.system", "tusd.yaml:1 is not YAML: could not determine a constr"),
    ],
)
def test_wrong_yaml_names_line_value_and_remedy(
    load: Load, tmp_path: Path, yaml: str, complaint: str
) -> None:
    (problem,) = problems_of(load, yaml)
    assert problem.replace(f"{tmp_path}/", "").startswith(complaint)


def test_empty_file_sets_nothing(load: Load) -> None:
    assert load("# port: 80\n").settings == Settings()


@pytest.mark.parametrize("kind", ["missing", "directory", "binary"])
def test_file_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "tusd.yaml"
    if kind == "directory":
        file.mkdir()
    elif kind == "binary":
        file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError) as caught:
        load_settings(config_file=file, environ={}, flags={})
    assert (
        str(caught.value)
        == {
            "missing": f"cannot read the configuration file {file}: no such file or directory",
            "directory": f"cannot read the configuration file {file}: is a directory",
            "binary": f"{file} is not UTF-8 text; save it as such",
        }[kind]
    )


def test_long_values_are_shown_in_part(load: Load) -> None:
    (problem,) = problems_of(load, host="x y" * 1000)
    assert len(problem) < 250
