"""Which authenticator a setting means, and what is told where it cannot be had."""

import sys
from pathlib import Path

import pytest
from aiohttp import web

from tests.signing import AUDIENCE, SECRET, private_pem, public_pem, signed
from tests.unit.auth.calls import FakeCall, with_token
from tusd_py.auth.tokens import new_token, token_line
from tusd_py.backends import check_authenticator, open_authenticator
from tusd_py.config.load import ConfigError
from tusd_py.config.model import Settings
from tusd_py.errors import Unauthenticated
from tusd_py.server import create_app


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key.pem"
    file.write_text(public_pem())
    return file


def jwt_settings(key: Path) -> Settings:
    return Settings.model_validate({"auth": "jwt", "jwt_key": key, "jwt_audience": AUDIENCE})


async def test_none_asks_nobody() -> None:
    async with open_authenticator(Settings()) as known:
        assert (await known.identify(FakeCall())).owner == ""


async def test_tokens_are_those_of_the_file(tmp_path: Path) -> None:
    token = new_token()
    (tmp_path / "tokens").write_text(token_line(token, "alice"))
    settings = Settings.model_validate({"auth": "tokens", "auth_tokens": tmp_path / "tokens"})
    check_authenticator(settings)
    async with open_authenticator(settings) as known:
        assert (await known.identify(with_token(token))).owner == "alice"
        with pytest.raises(Unauthenticated):
            await known.identify(FakeCall())


async def test_keys_are_those_of_the_file(key: Path) -> None:
    settings = jwt_settings(key)
    check_authenticator(settings)
    async with open_authenticator(settings) as known:
        assert (await known.identify(with_token(signed()))).owner == "alice"


def test_keys_that_do_not_fit_are_told(key: Path) -> None:
    key.write_text(private_pem())
    with pytest.raises(ConfigError, match=rf"^jwt_key: {key} holds a private key"):
        check_authenticator(jwt_settings(key))


@pytest.mark.parametrize(
    ("text", "algorithm", "mode", "warned"),
    [
        (SECRET, "HS256", 0o644, True),
        (SECRET, "HS256", 0o640, False),
        (public_pem(), "RS256", 0o644, False),
    ],
    ids=["open secret", "kept secret", "public key"],
)
async def test_a_secret_that_everybody_can_read_is_warned_of(
    key: Path,
    caplog: pytest.LogCaptureFixture,
    text: str,
    algorithm: str,
    mode: int,
    warned: bool,
) -> None:
    async with open_authenticator(with_algorithm(key, text, algorithm, mode)):
        pass
    assert ("can read the secret that signs tokens" in caplog.text) == warned


def with_algorithm(key: Path, text: str, algorithm: str, mode: int) -> Settings:
    key.write_text(text)
    key.chmod(mode)
    settings = {"auth": "jwt", "jwt_key": key, "jwt_audience": AUDIENCE}
    return Settings.model_validate({**settings, "jwt_algorithms": algorithm})


async def test_nothing_is_opened_with_keys_that_do_not_fit(key: Path) -> None:
    settings = jwt_settings(key).model_copy(update={"jwt_algorithms": ("ES256",)})
    with pytest.raises(ConfigError, match="fits none of jwt_algorithms"):
        async with open_authenticator(settings):
            pass


@pytest.mark.parametrize("module", ["jwt", "cryptography"])
def test_a_missing_package_is_named(
    key: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == module or name == "tusd_py.auth.verifying_keys":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"install it with `pip install 'tusd-py\[jwt\]'`"):
        check_authenticator(jwt_settings(key))


async def test_settings_that_lack_something_let_nobody_in(key: Path) -> None:
    """Who changes settings by hand goes past the checks; what is missing is no open door."""
    for update in ({"auth": "tokens"}, {"auth": "forward"}, {"auth": "jwt"}):
        with pytest.raises(ConfigError, match="auth lacks a setting"):
            async with open_authenticator(Settings().model_copy(update=update)):
                pass


def test_two_cannot_say_whose_a_request_is(key: Path) -> None:
    async def owner_of(_: web.Request) -> str:
        return "alice"

    with pytest.raises(ValueError, match="owner_of takes the place of auth = jwt"):
        create_app(jwt_settings(key), owner_of=owner_of)
