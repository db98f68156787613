"""What is written about settings elsewhere says what the model says."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from tusd_py.cli.main import main
from tusd_py.config import documentation
from tusd_py.config.load import load_settings
from tusd_py.config.model import Settings

ROOT = Path(__file__).parents[3]
#: What is for a proxy, and no file of settings.
FOR_PROXIES = ("kubernetes-ingress.yaml", "traefik.yaml")
FILES = sorted(file for file in (ROOT / "config").glob("*.yaml") if file.name not in FOR_PROXIES)


def test_document_is_up_to_date() -> None:
    document = (ROOT / documentation.DOCUMENT).read_text(encoding="utf-8")
    assert document == documentation.with_tables(document), (
        "run `python -m tusd_py.config.documentation`"
    )
    for name in Settings.model_fields:
        assert document.count(f"| `{name}` |") == 1


def test_example_is_up_to_date_and_sets_every_default() -> None:
    file = ROOT / documentation.EXAMPLE
    assert file.read_text(encoding="utf-8") == documentation.example(), (
        "run `python -m tusd_py.config.documentation`"
    )
    loaded = load_settings(config_file=file, environ={}, flags={})
    assert loaded.settings == Settings()
    assert {origin.kind for origin in loaded.origins.values()} == {"file"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_configuration_files_can_be_loaded(file: Path) -> None:
    loaded = load_settings(config_file=file, environ={}, flags={})
    assert {origin.kind for origin in loaded.origins.values()} >= {"file"}


def test_document_shows_what_check_config_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TUSD_PY_LOG_LEVEL", "warning")
    for variable in set(os.environ) - {"TUSD_PY_LOG_LEVEL"}:
        if variable.startswith("TUSD_PY_"):
            monkeypatch.delenv(variable)
    document = documentation.DOCUMENT.read_text(encoding="utf-8")
    _, _, example = document.partition("$ TUSD_PY_LOG_LEVEL=warning tusd-py ")
    command, _, shown = example.partition("```")[0].partition("\n")
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 0
    printed = result.stdout.splitlines()
    assert [line for line in shown.splitlines() if line not in printed] == ["..."] * shown.count(
        "..."
    )
    assert len(shown.splitlines()) > 5


def test_document_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the lines"):
        documentation.with_tables("# Configuration\n")


def test_both_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "config").mkdir()
    stale = documentation.tables().replace("1080", "1081")
    whole = (ROOT / documentation.DOCUMENT).read_text(encoding="utf-8")
    (tmp_path / documentation.DOCUMENT).write_text(whole.replace(documentation.tables(), stale))
    documentation.main()
    assert (tmp_path / documentation.DOCUMENT).read_text(encoding="utf-8") == whole
    assert (tmp_path / documentation.EXAMPLE).read_text() == documentation.example()
