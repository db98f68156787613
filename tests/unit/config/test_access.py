"""Settings of who may do what: which go together, and which would leave a door open."""

from pathlib import Path
from typing import Any

import pytest

from tests.signing import public_pem
from tusd_py.auth.tokens import new_token, token_line
from tusd_py.config.load import ConfigError, load_settings
from tusd_py.config.model import Settings


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A file of tokens and one of keys, by the words that stand for them below."""
    texts = {"TOKENS": token_line(new_token(), "alice"), "KEYS": public_pem()}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name: str(tmp_path / name) for name in texts}


def load(files: dict[str, str], flags: dict[str, Any]) -> Settings:
    given = {name: files.get(str(value), value) for name, value in flags.items()}
    return load_settings(config_file=None, environ={}, flags=given).settings


JWT = {"auth": "jwt", "jwt_audience": "uploads"}
URL = "https://id.example/jwks.json"


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"auth": "none", "auth_tokens": "none", "jwt_key": "none", "auth_url": "none"},
        {"auth": "tokens", "auth_tokens": "TOKENS"},
        {**JWT, "jwt_key": "KEYS"},
        {**JWT, "jwt_key": "KEYS", "jwt_algorithms": "HS256,HS512"},
        {**JWT, "jwks_url": URL, "jwt_issuer": "https://id.example", "jwt_algorithms": "PS256"},
        {"auth": "forward", "auth_url": "http://[::1]:9091/verify?for=tus"},
        {"auth": "forward", "auth_url": "https://auth.example", "auth_owner_header": "Remote-User"},
    ],
    ids=range(8),
)
def test_what_goes_together_is_taken(files: dict[str, str], flags: dict[str, Any]) -> None:
    settings = load(files, flags)
    assert settings.auth == flags.get("auth", "none")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"auth": "tokens"}, ["auth_tokens = null (default) has to be set where auth is tokens"]),
        (
            {"auth_tokens": "TOKENS"},
            ["auth_tokens = TOKENS (flag --auth-tokens) does nothing while auth is none; set auth"],
        ),
        (
            {"auth": "tokens", "auth_tokens": "KEYS"},
            ["auth_tokens = KEYS (flag --auth-tokens) has a wrong line 1: it begins with no SHA"],
        ),
        (
            {"auth": "jwt"},
            [
                "jwks_url = null (default) has to be set where auth is jwt, unless jwt_key is",
                "jwt_audience = null (default) has to be set where auth is jwt",
            ],
        ),
        (
            {**JWT, "jwt_key": "KEYS", "jwks_url": URL},
            ["jwks_url = URL (flag --jwks-url) cannot be set together with jwt_key; leave one"],
        ),
        ({"jwks_url": URL}, ["jwks_url = URL (flag --jwks-url) does nothing while auth is none"]),
        ({"jwt_key": "KEYS"}, ["jwt_key = KEYS (flag --jwt-key) does nothing while auth is none"]),
        (
            {"jwt_audience": "a"},
            ['jwt_audience = "a" (flag --jwt-audience) does nothing while auth is none'],
        ),
        (
            {**JWT, "jwt_key": "KEYS", "jwt_algorithms": "RS256,HS256"},
            ['jwt_algorithms = "RS256,HS256" (flag --jwt-algorithms) has HS256, which needs a sec'],
        ),
        (
            {**JWT, "jwks_url": URL, "jwt_algorithms": "HS256"},
            ['jwt_algorithms = "HS256" (flag --jwt-algorithms) has HS256, which needs a secret, a'],
        ),
        (
            {**JWT, "jwks_url": URL, "jwt_algorithms": "none"},
            ['jwt_algorithms = "none" (flag --jwt-algorithms) is empty'],
        ),
        (
            {**JWT, "jwks_url": URL, "jwt_algorithms": ["RS256", "none"]},
            ['jwt_algorithms = "none" (flag --jwt-algorithms) must be one of HS256'],
        ),
        ({"auth": "forward"}, ["auth_url = null (default) has to be set where auth is forward"]),
        (
            {"auth": "tokens", "auth_tokens": "TOKENS", "auth_url": "http://a/"},
            ['auth_url = "http://a/" (flag --auth-url) does nothing while auth is tokens; set'],
        ),
        *(
            ({"auth": "forward", "auth_url": url}, [f'auth_url = "{url}" (flag --auth-url) is no'])
            for url in (
                *("auth.example", "ftp://a/", "file:///etc/passwd", "http://", "http://a:0/"),
                *("http://u:p@a/", "http://a/#b", "http://a/ b", "unix:/a", "http://a:b/", ""),
            )
        ),
        *(
            ({"auth_owner_header": name}, ["auth_owner_header = "])
            for name in ("", "X Auth", "X-Auth:", "X-\u00c4")
        ),
        ({"jwt_owner_claim": ""}, ['jwt_owner_claim = "" (flag --jwt-owner-claim) is empty']),
        ({"jwt_issuer": ""}, ['jwt_issuer = "" (flag --jwt-issuer) is empty']),
        ({"auth_timeout": "0"}, ['auth_timeout = "0" (flag --auth-timeout) must be more than 0']),
    ],
)
def test_what_does_not_is_refused(
    files: dict[str, str], flags: dict[str, Any], told: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(files, flags)
    assert len(caught.value.problems) == len(told)
    for problem, beginning in zip(caught.value.problems, told, strict=True):
        shown = problem.replace(f'"{URL}"', "URL")
        for name, path in files.items():
            shown = shown.replace(f'"{path}"', name)
        assert shown.startswith(beginning)


def test_what_misses_its_other_half_is_told_so() -> None:
    """A default that will not do has a reason, which is not that it has no value."""
    with pytest.raises(ConfigError, match=r"tls_key = null \(default\) goes together with"):
        load({}, {"tls_certificate": "a.pem"})
