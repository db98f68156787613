"""The file of owners' limits is read with the settings, and refused with them."""

from pathlib import Path

import pytest

from tusd_py.config.load import ConfigError, load_settings
from tusd_py.config.model import Settings
from tusd_py.limiting import accounts_of
from tusd_py.protocol.extensions import Policy
from tusd_py.protocol.limits import Account, Kind, Limits
from tusd_py.uploads.accounts import Accounts


def loaded(path: Path) -> Settings:
    return load_settings(
        config_file=None,
        environ={
            "TUSD_PY_OWNER_LIMITS": str(path),
            "TUSD_PY_MAX_TRANSFERS_PER_OWNER": "3",
            "TUSD_PY_MAX_STORED_PER_OWNER": "1GiB",
        },
        flags={},
    ).settings


def accounts(path: Path) -> Accounts:
    return accounts_of(loaded(path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "limits.yaml"
    file.touch()
    return file


def test_what_is_not_said_is_as_for_everybody(file: Path) -> None:
    file.write_text("ann:\n  open_uploads: 5\n  stored: none\n1234: {rate: 5MB, max_size: 1KiB}\n")
    found = accounts(file)
    everybody = Limits(transfers=3, stored=2**30)
    assert found.of("bob", None) == (Account(Kind.OWNER, "bob", everybody),)
    assert found.of("ann", None) == (
        Account(Kind.OWNER, "ann", Limits(transfers=3, open_uploads=5)),
    )
    assert found.of("1234", None)[0].limits == Limits(transfers=3, stored=2**30, rate=5_000_000)
    assert found.policy_for("1234", Policy(max_size=7)).max_size == 1024
    assert found.policy_for("ann", Policy(max_size=7)).max_size == 7


def test_owner_may_have_no_limit_at_all(file: Path) -> None:
    file.write_text("ann: {transfers: none, stored: none, max_size: none}\n")
    assert accounts(file).of("ann", "192.0.2.1") == ()
    assert accounts(file).policy_for("ann", Policy(max_size=7)).max_size is None


def test_empty_file_limits_nobody(file: Path) -> None:
    assert accounts(file).owners == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- ann", "must hold owners, each with its limits below"),
        ("ann", "must hold owners, each with its limits below"),
        ("ann: 5", "has no limits for ann in line 1; write `rate: 5MB` below"),
        ("ann: {}\nbob: {}\nann: {}", "names ann again in line 3; keep one"),
        ("ann:\n  speed: 5", "is wrong in line 2: speed is no limit; these are: max_size, open"),
        ("ann:\n  transfers: 5\n  rate: fast", "is wrong in line 3: rate is not a size; write a"),
        ("ann: {rate: 0}", "is wrong in line 1: rate must be more than 0; none means no limit"),
        ("ann: {transfers: -1}", "is wrong in line 1: transfers must be no less than 0"),
        ("ann: {transfers: 1025}", "is wrong in line 1: transfers must be 1024 at most"),
        ("ann: {open_uploads: many}", "is wrong in line 1: open_uploads must be a whole number"),
        ("ann: {stored: 1G}", "is wrong in line 1: stored could mean two sizes; write 1GiB"),
        ("ann: [", "is not YAML in line 1: "),
        ("ann: \x01", "is not YAML: unacceptable character"),
    ],
)
def test_mistakes_are_told_with_their_line(file: Path, text: str, problem: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        loaded(file)
    (line,) = caught.value.problems
    assert f"(environment TUSD_PY_OWNER_LIMITS) {problem}" in line


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file or directory"):
        loaded(tmp_path / "nothing")


def test_limit_of_nothing_is_not_shown_as_none() -> None:
    loaded = load_settings(
        config_file=None,
        environ={},
        flags={"max_transfers_per_owner": "0", "max_stored_per_owner": "0"},
    ).settings
    shown = loaded.model_dump(mode="json")
    assert (shown["max_transfers_per_owner"], shown["max_stored_per_owner"]) == (0, "0B")
    assert shown["max_rate_per_owner"] == shown["max_stored_per_address"] == "none"
