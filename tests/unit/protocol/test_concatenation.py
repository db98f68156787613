"""Upload-Concat names its parts in order, and any text gets a proper answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocol.headers import ANY_TEXT, LONGEST, is_quick, outcome
from tusd_py.errors import InvalidHeader, InvalidPart
from tusd_py.protocol.concatenation import Concat, format_final, parse_concat
from tusd_py.protocol.upload import is_upload_id

A, B = "a" * 32, "0123456789abcdef" * 2
IDS = st.text("0123456789abcdef", min_size=32, max_size=32)
PREFIXES = st.sampled_from(
    [
        "/files/",
        "",
        "files/",
        "../",
        "http://example.org/files/",
        "https://user@example.org:8443/behind/a/proxy/",
        "//example.org/",
        "http://[::1]:1080/files/",
    ]
)


@given(st.lists(st.tuples(PREFIXES, IDS), min_size=1, max_size=10))
def test_parts_survive_being_written_and_read(parts: list[tuple[str, str]]) -> None:
    header = format_final([prefix + upload_id for prefix, upload_id in parts])
    concat = parse_concat(header)
    assert concat.parts == tuple(upload_id for _, upload_id in parts)
    assert concat.is_final
    assert concat.header == header


def test_partial_has_no_parts() -> None:
    assert parse_concat("partial") == Concat("partial", None)
    assert not parse_concat("partial").is_final


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        (f"final;/files/{A}", (A,)),
        (f"final;/files/{A} /files/{B}", (A, B)),
        (f"final; /files/{B}  /files/{A} ", (B, A)),
        (f"final;{A} {A}", (A, A)),
        (f"final;/files/{A}?version=1#top", (A,)),
    ],
)
def test_final_names_its_parts(header: str, parts: tuple[str, ...]) -> None:
    assert parse_concat(header).parts == parts
    assert parse_concat(header).header == header


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("", InvalidHeader),
        ("Partial", InvalidHeader),
        ("partial;", InvalidHeader),
        ("partial ", InvalidHeader),
        ("final", InvalidHeader),
        (f"FINAL;/files/{A}", InvalidHeader),
        (f"final /files/{A}", InvalidHeader),
        (f" final;/files/{A}", InvalidHeader),
        ("final;", InvalidHeader),
        ("final;   ", InvalidHeader),
        ("final;/files/", InvalidPart),
        ("final;/", InvalidPart),
        (f"final;/files/{A}/", InvalidPart),
        (f"final;/files/{A.upper()}", InvalidPart),
        (f"final;/files/{A}a", InvalidPart),
        (f"final;/files/{A[1:]}", InvalidPart),
        (f"final;/files/%61{A[1:]}", InvalidPart),
        (f"final;/files/..%2f{A}", InvalidPart),
        (f"final;/files?id={A}", InvalidPart),
        (f"final;/files/{A} nonsense", InvalidPart),
        ("final;http://[half/x", InvalidPart),
        (f"final;http://[half/{A}", InvalidPart),
    ],
)
def test_anything_else_is_refused(
    header: str, error: type[InvalidHeader] | type[InvalidPart]
) -> None:
    with pytest.raises(error, match=r"^Upload-Concat: ") as refusal:
        parse_concat(header)
    assert refusal.value.status == 400


@given(ANY_TEXT | ANY_TEXT.map(lambda text: "final;" + text))
def test_any_text_is_a_concat_or_refused(text: str) -> None:
    got = outcome(lambda: parse_concat(text), InvalidHeader, InvalidPart)
    if isinstance(got, Concat):
        assert got.parts is None or all(map(is_upload_id, got.parts))
    else:
        assert isinstance(got, InvalidHeader | InvalidPart)
        assert got.message.isprintable()


@pytest.mark.parametrize(
    "piece", [f"/files/{A} ", "x ", " ", "/", "http://[", "%61", "?", "\u2100"]
)
def test_long_header_is_read_quickly(piece: str) -> None:
    header = "final;" + piece * (LONGEST // len(piece))
    assert is_quick(lambda: parse_concat(header), InvalidHeader, InvalidPart)


def test_urls_with_a_comma_between_them_are_refused() -> None:
    first, second = "0" * 32, "1" * 32
    with pytest.raises(InvalidHeader, match="spaces"):
        parse_concat(f"final;/files/{first},/files/{second}")
