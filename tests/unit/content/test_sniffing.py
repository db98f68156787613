"""Bytes tell what they are, also where only the first of them are there."""

import random
import time

import pytest

from tests.unit.content.conftest import Sniffer
from tests.unit.content.samples import HTML, POLYGLOTS, SHOWN, mp3
from tusd_py.content.check import HEAD
from tusd_py.content.media_types import OCTETS, canonical
from tusd_py.content.text import TextReader, text_type_of


@pytest.mark.parametrize("name", SHOWN)
def test_files_show_what_they_are(sniffer: Sniffer, name: str) -> None:
    content, media_type = SHOWN[name]
    assert sniffer.type_of(content[:HEAD]) == media_type
    assert canonical(media_type) == media_type


@pytest.mark.parametrize("name", POLYGLOTS)
def test_files_of_two_kinds_pass_for_the_first(sniffer: Sniffer, name: str) -> None:
    content, media_type = POLYGLOTS[name]
    assert sniffer.type_of(content[:HEAD]) == media_type


#: What 100 bytes do not tell as well as more do.
_NEEDS_MORE = {
    **{"docx": "application/zip", "xlsx": "application/zip"},
    **{"tar": OCTETS, "doc": OCTETS},
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_hundred_bytes_are_nearly_enough(sniffer: Sniffer, name: str) -> None:
    content, media_type = SHOWN[name]
    assert sniffer.type_of(content[:100]) == _NEEDS_MORE.get(name, media_type)


def test_noise_is_hardly_ever_taken_for_something(sniffer: Sniffer) -> None:
    source = random.Random(9)
    found = [sniffer.type_of(source.randbytes(HEAD)) for _ in range(300)]
    assert found.count(OCTETS) > 285
    assert not any(each.startswith(("image/", "text/", "video/")) for each in found)


def test_length_of_a_tag_has_to_be_one(sniffer: Sniffer) -> None:
    assert sniffer.type_of(b"ID3\3\0\0\xff\xff\xff\xff" + bytes(90)) == OCTETS
    assert sniffer.type_of(mp3(tag=50_000)[:HEAD]) == "audio/mpeg"


@pytest.mark.parametrize(
    "hostile",
    [
        b"<!doctype a " + b"[]" * 2000,
        b"<!doctype a " + b"[" * 4000,
        b"<!--" * 1000,
        b"<?" * 2000,
        b" " * 4096,
        b"<" * 4096,
        b"<a:" * 1300,
    ],
)
def test_nothing_takes_long(hostile: bytes) -> None:
    began = time.process_time()
    assert text_type_of(hostile) in {"text/plain", "text/html"}
    assert time.process_time() - began < 0.1


# --- text ---


@pytest.mark.parametrize("code", [*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)])
def test_bytes_that_no_text_has(code: int) -> None:
    assert text_type_of(b"text " + bytes([code])) is None
    assert text_type_of(b"\xff\xfe" + f"text {chr(code)}".encode("utf-16-le")) is None


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("size", [3, 4, 7, 1000])
def test_text_is_told_piece_by_piece(mark: str, size: int) -> None:
    reader = TextReader()
    content = ("Grüße, 𝄞\n" * 200).encode(mark)
    pieces = [content[at : at + size] for at in range(4, len(content), size)]
    assert all(reader.is_text(piece) for piece in [content[:4], *pieces])
    assert not reader.is_text("\0".encode(mark)[-4:])


def test_cut_character_is_no_fault() -> None:
    for mark in ("utf-8", "utf-16", "utf-32"):
        assert text_type_of(("x" * 50 + "𝄞").encode(mark)[:-1]) == "text/plain"


def test_page_in_another_encoding_is_one_too() -> None:
    assert text_type_of(b"<!-- Gr\xfc\xdfe -->" + HTML) == "text/html"
