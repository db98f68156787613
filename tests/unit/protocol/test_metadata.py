"""Upload-Metadata comes back as it was written, and any text gets a proper answer."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocol.headers import ANY_TEXT, LONGEST, is_quick, outcome
from tusd_py.errors import InvalidHeader
from tusd_py.protocol.metadata import format_metadata, parse_metadata, parse_metadata_leniently

KEYS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1
)
PAIRS = st.dictionaries(KEYS, st.binary(max_size=60), max_size=8)
#: Text that is nearly metadata: its characters, in any order.
NEARLY = st.text("ab =,+/\tQU==", max_size=60)


@given(PAIRS)
def test_pairs_survive_being_written_and_read(pairs: dict[str, bytes]) -> None:
    assert parse_metadata(format_metadata(pairs)) == pairs
    assert parse_metadata_leniently(format_metadata(pairs)) == pairs


@given(PAIRS, st.sampled_from(["", " ", "\t", "  "]), st.sampled_from(["", " ", "\t "]))
def test_blanks_around_a_pair_are_no_part_of_it(
    pairs: dict[str, bytes], before: str, after: str
) -> None:
    written = ",".join(before + format_metadata({key: pairs[key]}) + after for key in pairs)
    assert parse_metadata(written) == pairs


@given(PAIRS)
def test_header_is_printable_ascii(pairs: dict[str, bytes]) -> None:
    assert all(" " <= character <= "~" for character in format_metadata(pairs))


@given(ANY_TEXT | NEARLY)
def test_any_text_is_pairs_or_refused(text: str) -> None:
    got = outcome(lambda: parse_metadata(text), InvalidHeader)
    if isinstance(got, InvalidHeader):
        assert got.message.startswith("Upload-Metadata: ")
        assert got.message.isprintable()
        return
    assert isinstance(got, dict)
    assert parse_metadata(format_metadata(got)) == got


@given(ANY_TEXT | NEARLY)
def test_lenient_reading_takes_any_text_and_agrees_with_the_strict_one(text: str) -> None:
    lenient = parse_metadata_leniently(text)
    strict = outcome(lambda: parse_metadata(text), InvalidHeader)
    assert isinstance(strict, InvalidHeader) or strict == lenient


@given(PAIRS, KEYS)
def test_repeated_key_is_refused_by_name(pairs: dict[str, bytes], key: str) -> None:
    pairs[key] = b"first"
    with pytest.raises(InvalidHeader) as refusal:
        parse_metadata(format_metadata(pairs) + f",{key} c2Vjb25k")
    assert repr(key) in refusal.value.message


@pytest.mark.parametrize(
    ("header", "pairs"),
    [
        ("", {}),
        ("  ", {}),
        ("filename d29ybGQ=", {"filename": b"world"}),
        ("filename d29ybGQ=,is_confidential", {"filename": b"world", "is_confidential": b""}),
        ("empty ", {"empty": b""}),
        ("empty ,other QQ==", {"empty": b"", "other": b"A"}),
        ("bytes AP+A", {"bytes": b"\x00\xff\x80"}),
        ("a QQ==, b Qg==", {"a": b"A", "b": b"B"}),
    ],
)
def test_header_means(header: str, pairs: dict[str, bytes]) -> None:
    assert parse_metadata(header) == pairs


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (",", "pair 1 has no key"),
        ("a QQ==,", "pair 2 has no key"),
        ("a QQ==,,b", "pair 2 has no key"),
        ("a QQ== ,b QQ==, ", "pair 3 has no key"),
        ("naïve QQ==", "'naïve' must be printable ASCII"),
        ("a\tb QQ==", "'a\\tb' must be printable ASCII"),
        ("a QQ=", "the value of 'a' must be Base64"),
        ("a QQ", "the value of 'a' must be Base64"),
        ("a Q Q = =", "the value of 'a' must be Base64"),
        ("a  QQ==", "the value of 'a' must be Base64"),
        ("a QQ==QQ==", "the value of 'a' must be Base64"),
        ("a Q-_=", "the value of 'a' must be Base64"),
        ("a =", "the value of 'a' must be Base64"),
        ("a QQ==,a QQ==", "'a' is there twice"),
        ("a,a", "'a' is there twice"),
    ],
)
def test_refusal_names_the_pair(header: str, complaint: str) -> None:
    with pytest.raises(InvalidHeader) as refusal:
        parse_metadata(header)
    assert complaint in refusal.value.message


def test_lenient_reading_passes_over_what_is_wrong() -> None:
    header = "good d29ybGQ=, bad ???,,naïve QQ==,twice QQ==,twice Qg==,alone"
    assert parse_metadata_leniently(header) == {"good": b"world", "twice": b"B", "alone": b""}


@pytest.mark.parametrize(
    "header",
    [
        "," * LONGEST,
        "a," * (LONGEST // 2),
        "a " + "A" * LONGEST,
        "a " + "A" * LONGEST + "?",
        "a " + "=" * LONGEST,
        "a" * LONGEST,
        " " * LONGEST,
        "\t" * LONGEST + "x",
        ",".join(f"k{number} {base64.b64encode(b'v').decode()}" for number in range(1500)),
    ],
)
def test_long_header_is_read_quickly(header: str) -> None:
    assert is_quick(lambda: parse_metadata(header), InvalidHeader)
    assert is_quick(lambda: parse_metadata_leniently(header))
