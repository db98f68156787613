"""docs/auth.md: its settings can be loaded, its Python runs, and its scopes are those there are."""

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tests.signing import private_pem, public_pem
from tusd_py.auth.identity import Identity, Scope
from tusd_py.auth.tokens import new_token, token_line
from tusd_py.config.load import load_settings
from tusd_py.errors import LinkExpired
from tusd_py.protocol.links import check_link

TEXT = (Path(__file__).parents[2] / "docs/auth.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
YAML = [code for language, code in BLOCKS if language == "yaml"]
PYTHON = [code for language, code in BLOCKS if language == "python"]


@pytest.mark.parametrize("code", YAML, ids=range(len(YAML)))
def test_settings_can_be_loaded(tmp_path: Path, code: str) -> None:
    files = {
        "tokens": token_line(new_token(), "alice"),
        "token-key.pub": public_pem("EdDSA"),
        "upload.keys": "k" * 32,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    file = tmp_path / "tusd.yaml"
    file.write_text(code.replace("/etc/tusd-py", str(tmp_path)))
    loaded = load_settings(config_file=file, environ={}, flags={})
    assert loaded.settings.auth == yaml.safe_load(code)["auth"]


def test_every_mode_has_an_example() -> None:
    modes = {yaml.safe_load(code)["auth"] for code in YAML}
    assert modes == {"tokens", "jwt", "forward"}
    assert len(YAML) == 6


def test_its_tokens_are_good() -> None:
    scope: dict[str, Any] = {"__name__": "documented"}
    exec(PYTHON[0], scope)  # noqa: S102 - our own document's
    token = scope["upload_token"]("alice", private_pem("EdDSA"))
    claims = jwt.decode(token, public_pem("EdDSA"), algorithms=["EdDSA"], audience="uploads")
    assert (claims["sub"], claims["scope"]) == ("alice", "create append")


def test_its_link_is_good(tmp_path: Path) -> None:
    (tmp_path / "upload.keys").write_text(f"{'k' * 32}\n{'o' * 32}\n")
    scope: dict[str, Any] = {}
    exec(PYTHON[1].replace("/etc/tusd-py", str(tmp_path)), scope)  # noqa: S102 - as above
    link = urlsplit(scope["upload_link"](f"https://example.org/files/{'0' * 32}"))
    (expires,), (signature,) = parse_qs(link.query).values()
    keys, now = ("k" * 32,), time.time()
    check_link("0" * 32, expires, signature, keys=keys, now=now + 3590, purpose="upload")
    with pytest.raises(LinkExpired):
        check_link("0" * 32, expires, signature, keys=keys, now=now + 3610, purpose="upload")


async def test_its_function_says_whose_a_request_is() -> None:
    scope: dict[str, Any] = {"__name__": "documented"}
    exec(PYTHON[2], scope)  # noqa: S102 - our own document's
    request = make_mocked_request("GET", "/")
    with pytest.raises(web.HTTPUnauthorized):
        await scope["owner_of"](request)
    request[scope["USER"]] = "root"
    assert await scope["owner_of"](request) == Identity("root", frozenset(Scope))


def test_lists_every_scope() -> None:
    table = TEXT.partition("| Scope |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(Scope)
