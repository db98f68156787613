"""Numbers and flags in headers are read strictly, and any text gets a proper answer."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.unit.protocol.headers import ANY_TEXT, LONGEST, headers, is_quick, outcome
from tusd_py.errors import InvalidHeader
from tusd_py.protocol.headers import (
    UPLOAD_OFFSET,
    announces_trailer,
    body_length,
    is_offset_octet_stream,
    read_defer_length,
    read_integer,
    read_text,
)
from tusd_py.protocol.upload import MAX_LENGTH


def offset(*values: str) -> CIMultiDict[str]:
    return headers(upload_offset=list(values))


# --- read_text ---


@given(ANY_TEXT)
def test_text_is_printable_ascii_without_blanks_around_or_refused(text: str) -> None:
    got = outcome(lambda: read_text(offset(text), UPLOAD_OFFSET), InvalidHeader)
    stripped = text.strip(" \t")
    if all(" " <= character <= "~" for character in stripped):
        assert got == stripped
    else:
        assert isinstance(got, InvalidHeader)


def test_absent_header_has_no_text() -> None:
    assert read_text(headers(), UPLOAD_OFFSET) is None


def test_empty_header_is_not_an_absent_one() -> None:
    assert read_text(offset(""), UPLOAD_OFFSET) == ""


def test_header_is_found_in_any_case() -> None:
    assert read_text(CIMultiDict({"uPLOAD-oFFSET": "5"}), UPLOAD_OFFSET) == "5"


@given(ANY_TEXT, ANY_TEXT)
def test_repeated_header_is_refused_and_named(first: str, second: str) -> None:
    with pytest.raises(InvalidHeader, match=r"^Upload-Offset: .*once") as refusal:
        read_text(offset(first, second), UPLOAD_OFFSET)
    assert refusal.value.header == UPLOAD_OFFSET


# --- read_integer ---


@given(st.integers(0, MAX_LENGTH), st.integers(0, 3), st.sampled_from(["", " ", "\t", "  "]))
def test_integer_is_read_with_zeros_before_and_blanks_around(
    number: int, zeros: int, blank: str
) -> None:
    digits = ("0" * zeros + str(number))[-19:]
    written = blank + digits + blank
    assert read_integer(offset(written), UPLOAD_OFFSET) == int(digits)


@given(ANY_TEXT)
def test_any_text_is_an_integer_or_refused(text: str) -> None:
    got = outcome(lambda: read_integer(offset(text), UPLOAD_OFFSET), InvalidHeader)
    if isinstance(got, InvalidHeader):
        assert got.status == 400
        return
    assert isinstance(got, int)
    assert 0 <= got <= MAX_LENGTH
    assert text.strip(" \t").lstrip("0") == str(got).lstrip("0")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "-1",
        "-0",
        "+1",
        "1.0",
        "1e3",
        "0x10",
        "1_000",
        "1 000",
        "1,000",
        "five",
        "٣",  # a digit of another script, which int() would take
        "²",
        str(MAX_LENGTH + 1),
        str(2**64),
        "9" * 5000,
        "1\x00",
        "1\n",
    ],
)
def test_anything_else_is_no_integer(written: str) -> None:
    with pytest.raises(InvalidHeader, match=r"^Upload-Offset: must"):
        read_integer(offset(written), UPLOAD_OFFSET)


def test_largest_offset_is_that_of_a_signed_64_bit_number() -> None:
    assert read_integer(offset(str(2**63 - 1)), UPLOAD_OFFSET) == 2**63 - 1


def test_absent_header_is_no_integer() -> None:
    assert read_integer(headers(), UPLOAD_OFFSET) is None


def test_huge_text_is_refused_quickly() -> None:
    for text in ("9" * LONGEST, " " * LONGEST, "0" * LONGEST + "x"):
        sent = offset(text)
        assert is_quick(partial(read_integer, sent, UPLOAD_OFFSET), InvalidHeader)


# --- read_defer_length ---


def test_length_is_deferred_by_one_alone() -> None:
    assert read_defer_length(headers(upload_defer_length="1")) is True
    assert read_defer_length(headers()) is False


@given(ANY_TEXT.filter(lambda text: text.strip(" \t") != "1"))
def test_any_other_value_defers_nothing_and_is_refused(text: str) -> None:
    with pytest.raises(InvalidHeader, match=r"^Upload-Defer-Length: "):
        read_defer_length(headers(upload_defer_length=text))


# --- what the body's headers say ---


@pytest.mark.parametrize(
    ("values", "length"),
    [
        ({}, 0),
        ({"content_length": "0"}, 0),
        ({"content_length": "123"}, 123),
        ({"transfer_encoding": "chunked"}, None),
    ],
)
def test_body_is_as_long_as_its_framing_says(values: dict[str, str], length: int | None) -> None:
    assert body_length(headers(**values)) == length


@pytest.mark.parametrize(
    ("values", "is_upload_data"),
    [
        (["application/offset+octet-stream"], True),
        (["Application/Offset+Octet-Stream"], True),
        ([" application/offset+octet-stream ; charset=utf-8"], True),
        ([], False),
        ([""], False),
        (["application/octet-stream"], False),
        (["application/offset+octet-streams"], False),
        (["text/plain; application/offset+octet-stream"], False),
        (["application/offset+octet-stream", "application/offset+octet-stream"], False),
    ],
)
def test_content_type_declares_upload_data(values: list[str], is_upload_data: bool) -> None:
    assert is_offset_octet_stream(headers(content_type=values)) is is_upload_data


@pytest.mark.parametrize(
    ("values", "announced"),
    [
        ([], False),
        ([""], False),
        (["Upload-Checksum"], True),
        (["upload-CHECKSUM"], True),
        (["Expires, Upload-Checksum"], True),
        (["Expires", " Upload-Checksum , Other"], True),
        (["X-Upload-Checksum"], False),
        (["Upload-Checksum-X, Upload"], False),
    ],
)
def test_trailer_is_announced_by_name(values: list[str], announced: bool) -> None:
    assert announces_trailer(headers(trailer=values), "Upload-Checksum") is announced


@given(st.lists(ANY_TEXT, max_size=3))
def test_any_text_in_a_trailer_or_content_type_is_answered(values: list[str]) -> None:
    announces_trailer(headers(trailer=values), "Upload-Checksum")
    is_offset_octet_stream(headers(content_type=values))
