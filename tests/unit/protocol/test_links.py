"""Links are signed for one upload and one time, and for nothing that is neither."""

import hmac
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tusd_py.errors import LinkExpired, LinkRefused
from tusd_py.protocol import links
from tusd_py.protocol.links import check_link, sign_download

ID = "0123456789abcdef" * 2
KEY = "k" * 32
DOCUMENT = Path(__file__).parents[3] / "docs" / "downloads.md"


def parts(link: str) -> tuple[str, str]:
    pairs = dict(pair.split("=") for pair in link.partition("?")[2].split("&"))
    return pairs["expires"], pairs["signature"]


def test_signature_stays_the_same() -> None:
    # Made by: printf 'download\n%s\n1800000000' ID | openssl dgst -sha256 -hmac KEY
    signature = "6923a3954b9670e102a3312181d7bf9e0c5c8ce59e24577e905f9a952138093c"
    link = sign_download(f"https://example.org/files/{ID}", KEY, expires_at=1_800_000_000)
    assert link == f"https://example.org/files/{ID}?expires=1800000000&signature={signature}"


@pytest.mark.parametrize("url", [ID, f"/files/{ID}", f"https://example.org/a/b/{ID}"])
def test_any_url_that_ends_with_the_id_will_do(url: str) -> None:
    link = sign_download(url, KEY, expires_at=100.2)
    assert link.startswith(f"{url}?expires=101&signature=")
    check_link(ID, *parts(link), keys=(KEY,), now=100.9)


def test_every_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    class Counting:
        new = staticmethod(hmac.new)

        @staticmethod
        def compare_digest(given: str, right: str) -> bool:
            compared.append(right)
            return hmac.compare_digest(given, right)

    keys = [each * 32 for each in "abcde"]
    monkeypatch.setattr(links, "hmac", Counting)
    for key in (keys[0], keys[-1]):
        compared.clear()
        check_link(ID, *parts(sign_download(ID, key, expires_at=100)), keys=keys, now=0)
        assert len(set(compared)) == len(keys)


def test_end_of_the_keys_line_does_not_count() -> None:
    link = sign_download(ID, KEY, expires_at=100)
    assert sign_download(ID, f"{KEY}\n", expires_at=100) == link


@pytest.mark.parametrize("url", ["", "/files/", f"/files/{ID}/", f"/files/{ID}?a=b", ID.upper()])
def test_others_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="does not end with the id"):
        sign_download(url, KEY, expires_at=100)


@pytest.mark.parametrize("moment", [0, -1, float("nan"), float("inf"), 1e15])
def test_times_that_are_none_are_refused(moment: float) -> None:
    with pytest.raises(ValueError, match="is no time"):
        sign_download(ID, KEY, expires_at=moment)


def test_time_is_over_at_its_second() -> None:
    expires, signature = parts(sign_download(ID, KEY, expires_at=100))
    check_link(ID, expires, signature, keys=(KEY,), now=99.9)
    with pytest.raises(LinkExpired):
        check_link(ID, expires, signature, keys=(KEY,), now=100)


@pytest.mark.parametrize("now", [0, 1000])
@pytest.mark.parametrize(
    ("expires", "change"),
    [
        ("0100", ""),
        ("+100", ""),
        ("100 ", ""),
        ("\u0661", ""),
        ("", ""),
        ("1" * 16, ""),
        ("101", ""),
        ("100", "0"),
        ("100", "upper"),
        ("100", "\u00e4"),
    ],
)
def test_of_several_spellings_one_counts(expires: str, change: str, now: float) -> None:
    signature = parts(sign_download(ID, KEY, expires_at=100))[1]
    changed = signature.upper() if change == "upper" else signature + change
    with pytest.raises(LinkRefused):
        check_link(ID, expires, changed, keys=(KEY,), now=now)


def test_every_key_verifies_and_none_verifies_nothing() -> None:
    expires, signature = parts(sign_download(ID, KEY, expires_at=100))
    check_link(ID, expires, signature, keys=("x" * 32, KEY), now=1)
    for keys in ((), ("x" * 32,), (KEY + "x",)):
        with pytest.raises(LinkRefused):
            check_link(ID, expires, signature, keys=keys, now=1)


def test_example_of_the_documentation_makes_links(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(block, str(DOCUMENT), "exec"), names)  # noqa: S102 - our own document
    keys = tmp_path / "keys"
    keys.write_text(f"{KEY}\nolder\n")
    link = names["link_to"](f"https://example.org/files/{ID}", keys)
    check_link(ID, *parts(link), keys=(KEY,), now=time.time() + 3590)
