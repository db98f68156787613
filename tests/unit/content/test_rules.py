"""One rule has to take a file whole: by its name, its declared type, its bytes and its size."""

import pytest

from tests.unit.content.conftest import Sniffer
from tests.unit.content.samples import GIF, HTML, JPEG, NOISE, SHOWN, SVG, TEXT, ZIP, office, png
from tests.unit.content.uploads import complete, reading
from tusd_py.content.check import HEAD
from tusd_py.content.declared import Declared, declared_of
from tusd_py.content.media_types import OCTETS, canonical
from tusd_py.content.ruled import RuledContent
from tusd_py.content.rules import Rule, Rules
from tusd_py.errors import ContentRefused

IMAGES = Rule("images", ("*.png", "*.jpg"), ("image/png", "image/jpeg"), 1000)
TEXTS = Rule("texts", (), ("text/*",))
_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def status_of(rules: Rules, declared: Declared) -> int:
    try:
        rules.decide(declared)
    except ContentRefused as refused:
        return refused.status
    return 201


@pytest.mark.parametrize(
    ("name", "media_type", "size", "status"),
    [
        ("a.png", "image/png", 1000, 201),
        ("A.PNG", "image/png", None, 201),
        ("a.png", None, 10, 201),
        ("a.jpg", canonical("image/jpg"), 10, 201),
        ("a.png", "image/png", 1001, 413),
        ("a.gif", "image/png", 10, 415),
        ("a.png", "image/gif", 10, 415),
        ("a.png.exe", "image/png", 10, 415),
        (None, "image/png", 10, 415),
        (None, None, 5000, 201),  # it may be a text
        ("a.gif", "text/csv", 5000, 201),
        ("a.html", "text/html", 10, 415),
    ],
)
def test_what_is_known_before_the_bytes(
    name: str | None, media_type: str | None, size: int | None, status: int
) -> None:
    assert status_of(Rules([IMAGES, TEXTS]), Declared(name, media_type, size)) == status


def test_order_of_rules_means_nothing() -> None:
    small, large = Rule("small", max_size=10), Rule("large", ("*.iso",), max_size=1000)
    for rules in (Rules([small, large]), Rules([large, small])):
        assert status_of(rules, Declared("a.iso", None, 1000)) == 201
        assert status_of(rules, Declared("a.txt", None, 1000)) == 413


def test_refusals_name_what_is_taken() -> None:
    with pytest.raises(ContentRefused, match="these are: images, texts"):
        Rules([IMAGES, TEXTS]).decide(Declared("a.exe", "application/x-dosexec", 1))
    with pytest.raises(ContentRefused, match="1000 bytes at most"):
        Rules([IMAGES]).decide(Declared("a.png", None, 1001))


@pytest.mark.parametrize(
    ("types", "shown", "said", "fits"),
    [
        (("image/png",), "image/png", None, True),
        (("image/*",), "image/png", "image/gif", True),  # what is said is not trusted
        (("image/*",), "image/svg+xml", "image/svg+xml", False),
        (("image/*",), "image/svg+xml", "image/png", False),
        (("image/*", "image/svg+xml"), "image/svg+xml", None, True),
        (("*/*",), "text/html", "text/html", False),
        (("text/*",), "text/html", "text/plain", False),
        (("text/plain",), "text/html", "text/plain", False),
        (("text/html",), "text/html", None, True),
        (("text/html",), "text/plain", "text/html", False),
        (("text/*",), "text/plain", "text/csv", True),
        (("text/csv",), "text/plain", None, True),
        (("application/json",), "text/plain", "application/json", True),
        (("application/*",), "text/plain", "application/json", True),
        (("application/*",), "text/plain", None, False),
        (("image/*",), "text/plain", "image/png", False),
        ((_DOCX,), "application/zip", _DOCX, True),
        ((_DOCX,), "application/zip", None, True),
        ((_DOCX,), _DOCX, None, True),
        ((_DOCX,), "application/pdf", _DOCX, False),
        (("application/zip",), _DOCX, "application/zip", False),
        (("application/msword",), "application/x-ole-storage", None, True),
        (("audio/mp4",), "video/mp4", "audio/mp4", True),
        (("audio/*",), "video/mp4", "audio/mp4", True),
        (("audio/*",), "video/mp4", None, False),
        (("audio/webm",), "video/webm", None, True),
        (("image/heic",), "image/heif", None, True),
        (("image/png",), OCTETS, "image/png", False),
        ((OCTETS,), "text/html", "image/png", True),
        ((), "text/html", "image/png", True),
    ],
)
def test_what_the_bytes_show(
    types: tuple[str, ...], shown: str, said: str | None, fits: bool
) -> None:
    assert Rule("a", types=types).fits_bytes(shown, Declared("a", said, 1)) is fits


def test_other_names_of_types_are_the_same() -> None:
    for other, name in (
        ("image/jpg", "image/jpeg"),
        ("audio/mp3", "audio/mpeg"),
        ("application/x-zip-compressed", "application/zip"),
        ("Text/Plain; charset=utf-8", "text/plain"),
        ("video/x-m4v", "video/mp4"),
        ("image/unheard-of", "image/unheard-of"),
    ):
        assert canonical(other) == name


@pytest.mark.parametrize(
    ("metadata", "name", "media_type"),
    [
        ({"filename": "a.png", "filetype": "image/jpg"}, "a.png", "image/jpeg"),
        ({"name": "b.png", "type": "image/png"}, "b.png", "image/png"),
        ({"filename": "null", "name": "c.png", "contentType": "image/png"}, "c.png", "image/png"),
        ({"filename": "../../d.png"}, "d.png", None),
        ({"filename": "C:\\x\\e.png", "filetype": OCTETS}, "e.png", None),
        ({"filename": "dir/"}, None, None),
        ({}, None, None),
    ],
)
def test_what_clients_say(
    metadata: dict[str, str], name: str | None, media_type: str | None
) -> None:
    assert declared_of(complete(b"abc", metadata)) == Declared(name, media_type, 3)


# --- The check ---


async def verdict(sniffer: Sniffer, rule: Rule, content: bytes, said: str, name: str) -> int:
    """Return the status of the first refusal, early or late; they have to agree."""
    check = RuledContent(Rules([rule]), sniffer.type_of)
    upload = complete(content, {"filename": name, "filetype": said})
    check.foresee(upload)
    early = 201
    if check.wants_head(upload):
        try:
            await check.look(upload, content[:HEAD])
        except ContentRefused as refused:
            early = refused.status
    try:
        await check.examine(upload, reading(content))
    except ContentRefused as refused:
        return refused.status
    assert early == 201
    return 201


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (png(), 201),
        (JPEG, 201),
        (GIF, 415),
        (SVG, 415),
        (HTML, 415),
        (TEXT, 415),
        (NOISE[:900], 415),
    ],
    ids=["png", "jpeg", "gif", "svg", "html", "text", "noise"],
)
async def test_images_have_to_be_images(sniffer: Sniffer, content: bytes, status: int) -> None:
    assert await verdict(sniffer, IMAGES, content, "image/png", "a.png") == status


async def test_office_files_whose_kind_comes_late_are_taken(sniffer: Sniffer) -> None:
    rule = Rule("documents", types=(_DOCX,))
    late = office("word/document.xml", filler=NOISE)
    assert await verdict(sniffer, rule, late, _DOCX, "a.docx") == 201
    assert await verdict(sniffer, rule, ZIP, _DOCX, "a.docx") == 201  # a container is a container


async def test_text_is_held_against_the_whole(sniffer: Sniffer) -> None:
    rule = Rule("texts", types=("text/plain",))
    assert await verdict(sniffer, rule, TEXT * 5000, "text/plain", "a.txt") == 201
    assert await verdict(sniffer, rule, TEXT * 5000 + b"\0", "text/plain", "a.txt") == 415
    assert await verdict(sniffer, rule, b"", "text/plain", "a.txt") == 201


@pytest.mark.parametrize(("content", "status"), [(HTML, 415), (SVG, 415), (NOISE, 201)])
async def test_pattern_for_everything_means_no_page(
    sniffer: Sniffer, content: bytes, status: int
) -> None:
    rule = Rule("anything", types=("*/*",))
    assert await verdict(sniffer, rule, content, OCTETS, "a") == status


async def test_empty_file_is_no_image(sniffer: Sniffer) -> None:
    assert await verdict(sniffer, IMAGES, b"", "image/png", "a.png") == 415


async def test_size_is_held_against_the_whole(sniffer: Sniffer) -> None:
    check = RuledContent(Rules([Rule("small", max_size=10)]), sniffer.type_of)
    upload = complete(b"x" * 11)
    assert not check.wants_head(upload)
    with pytest.raises(ContentRefused) as refused:
        await check.examine(upload, reading(b"x" * 11))
    assert refused.value.status == 413


@pytest.mark.parametrize("name", SHOWN)
async def test_every_kind_is_taken_where_its_type_is_named(sniffer: Sniffer, name: str) -> None:
    content, shown = SHOWN[name]
    assert await verdict(sniffer, Rule("a", types=(shown,)), content, OCTETS, name) == 201
