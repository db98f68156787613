"""A chunked body gives what was put in, however it is cut, and ends just where it ends."""

import time
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tusd_py.web.chunked import ChunkedDecoder, ChunkedError

TOKENS = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=10)
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20
).map(lambda text: text.strip(" \t"))
EXTENSIONS = st.sampled_from(["", ";a", ";a=b", " ; a=b", ';a="quoted value"', ";"])
#: Text that is nearly a chunked body: its characters, in any order.
NEARLY = st.lists(
    st.sampled_from(
        [b"\r\n", b"\n", b"\r", b"0", b"1", b"a", b"5\r\nhello\r\n", b";", b": ", b"x", b"0\r\n"]
    ),
    max_size=30,
).map(b"".join)


@dataclass(frozen=True)
class Encoded:
    """A chunked body, and what it was made of."""

    payload: bytes
    trailers: list[tuple[str, str]]
    data: bytes


@dataclass(frozen=True)
class Decoded:
    """What a decoder made of some bytes; where it failed, nothing else counts."""

    failed: bool = False
    payload: bytes = b""
    rest: bytes = b""
    ended: bool = False
    trailers: tuple[tuple[str, str], ...] = ()


@st.composite
def encoded(draw: st.DrawFn) -> Encoded:
    """Return any payload, cut into any chunks, with any trailers."""
    chunks = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=6))
    trailers = draw(st.lists(st.tuples(TOKENS, VALUES), max_size=4))
    pieces = []
    for chunk in chunks:
        size = draw(st.sampled_from(["{:x}", "{:X}", "{:04x}", "{:016x}"])).format(len(chunk))
        pieces.append(f"{size}{draw(EXTENSIONS)}\r\n".encode() + chunk + b"\r\n")
    pieces.append(f"0{draw(EXTENSIONS)}\r\n".encode())
    for name, value in trailers:
        blank = draw(st.sampled_from(["", " ", "\t "]))
        pieces.append(f"{name}:{blank}{value}{blank}\r\n".encode("latin-1"))
    pieces.append(b"\r\n")
    return Encoded(b"".join(chunks), trailers, b"".join(pieces))


@st.composite
def segmented(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Return *data* as it might arrive."""
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=8))
    return [data[start:end] for start, end in pairwise([0, *sorted(cuts), len(data)])]


def decode(*segments: bytes) -> Decoded:
    """Feed one decoder; any error but `ChunkedError` fails the test."""
    decoder = ChunkedDecoder()
    payloads, rests = [], []
    try:
        for segment in segments:
            payload, rest = decoder.decode(segment)
            payloads.append(payload)
            rests.append(rest)
            assert not rest or decoder.ended
    except ChunkedError:
        return Decoded(failed=True)
    fields = tuple(decoder.trailers.items())
    return Decoded(False, b"".join(payloads), b"".join(rests), decoder.ended, fields)


def one_by_one(data: bytes) -> list[bytes]:
    return [data[position : position + 1] for position in range(len(data))]


@given(st.data(), encoded(), st.binary(max_size=30))
def test_payload_trailers_and_rest_come_out_however_it_arrives(
    data: st.DataObject, body: Encoded, following: bytes
) -> None:
    got = decode(*data.draw(segmented(body.data + following)))
    assert got == Decoded(False, body.payload, following, True, tuple(body.trailers))


@given(encoded())
def test_body_arriving_byte_by_byte_ends_with_its_last(body: Encoded) -> None:
    decoder = ChunkedDecoder()
    for byte in one_by_one(body.data):
        assert not decoder.ended
        assert decoder.decode(byte)[1] == b""
    assert decoder.ended


@given(encoded())
def test_body_that_is_cut_off_has_not_ended(body: Encoded) -> None:
    for length in range(len(body.data)):
        got = decode(body.data[:length])
        assert not got.ended
        assert not got.failed
        assert body.payload.startswith(got.payload)


@given(st.data(), encoded(), st.binary(max_size=10))
def test_broken_framing_fails_or_decodes_the_same_however_it_arrives(
    data: st.DataObject, body: Encoded, following: bytes
) -> None:
    whole = bytearray(body.data + following)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(whole) - 1))
        whole[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    expected = decode(bytes(whole))
    assert decode(*data.draw(segmented(bytes(whole)))) == expected
    assert decode(*one_by_one(bytes(whole))) == expected
    assert bytes(whole).endswith(expected.rest)


@given(NEARLY | st.binary(max_size=60))
def test_anything_at_all_fails_or_decodes_the_same_however_it_arrives(data: bytes) -> None:
    assert decode(*one_by_one(data)) == decode(data)


@given(st.binary(max_size=40))
def test_after_the_end_everything_is_rest(data: bytes) -> None:
    decoder = ChunkedDecoder()
    decoder.decode(b"0\r\n\r\n")
    assert decoder.decode(data) == (b"", data)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"5\n",
        b" 5\r\n",
        b"0x5\r\n",
        b"+5\r\n",
        b"-5\r\n",
        b"5 5\r\n",
        b"5\r\r\n",
        b"g\r\n",
        b"\xd9\xa3\r\n",
        b"5;a\x00\r\n",
        b"5;a\rb\r\n",
        b"8000000000000000\r\n",
        b"ffffffffffffffff\r\n",
        b"00000000000000005\r\n",
        b"5\r\nhello!\r\n",
        b"5\r\nhello\n",
        b"5\r\nhello 0\r\n",
        b"5;" + b"a" * 2000 + b"\r\n",
        b"5;" + b"a" * 2000,
        b"0\r\nnocolon\r\n",
        b"0\r\n: value\r\n",
        b"0\r\nname : value\r\n",
        b"0\r\n folded\r\n",
        b"0\r\na: b\r\n folded\r\n",
        b"0\r\na: b\n\n",
        b"0\r\na: b\x00\r\n",
        b"0\r\na: b\rc: d\r\n",
        b"0\r\na\xe9: b\r\n",
        b"0\r\na: " + b"b" * 2000 + b"\r\n",
        b"0\r\n" + b"a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n" * 300,
        b"0\r\n" + b"a:\r\n" * 5000,
        b"0\r\n\n",
    ],
)
def test_latitude_is_refused(data: bytes) -> None:
    assert decode(data).failed
    assert decode(*one_by_one(data)).failed


def test_largest_chunk_may_be_announced() -> None:
    decoder = ChunkedDecoder()
    assert decoder.decode(b"7fffffffffffffff\r\nabc") == (b"abc", b"")
    assert not decoder.ended


def test_trailer_may_come_twice_and_is_found_in_any_case() -> None:
    decoder = ChunkedDecoder()
    decoder.decode(b"0\r\nUpload-Checksum: one\r\nupload-checksum:two\r\n\r\n")
    assert decoder.trailers.getall("UPLOAD-CHECKSUM") == ["one", "two"]


def test_many_small_segments_take_no_more_than_linear_time() -> None:
    payload = bytes(300_000)
    framed = f"{len(payload):x}\r\n".encode() + payload + b"\r\n0\r\n\r\n"
    began = time.perf_counter()
    got = decode(*one_by_one(framed))
    assert got.payload == payload
    assert got.ended
    assert time.perf_counter() - began < 5


def test_many_small_chunks_take_no_more_than_linear_time() -> None:
    framed = b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    began = time.perf_counter()
    assert decode(framed).payload == b"x" * 100_000
    assert time.perf_counter() - began < 5
