"""Upload-Checksum is read strictly, and every algorithm is the one that its name says."""

import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocol.headers import ANY_TEXT, LONGEST, is_quick, outcome
from tusd_py.errors import InvalidHeader, UnsupportedChecksumAlgorithm
from tusd_py.protocol.checksum import ALGORITHMS, Checksum, format_checksum, parse_checksum

#: "123456789" hashed: the check values that the algorithms are published with.
CHECK = {
    "crc32": "cbf43926",
    "crc32c": "e3069283",
    "md5": "25f9e794323b453885f5181f1b624d0b",
    "sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "sha512": "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a"
    "d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
}
LENGTHS = {"crc32": 4, "crc32c": 4, "md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
algorithms = pytest.mark.parametrize("algorithm", ALGORITHMS)


def hashed(algorithm: str, *pieces: bytes) -> bytes:
    hasher = Checksum(algorithm, b"").hasher()
    for piece in pieces:
        hasher.update(memoryview(piece))
    return hasher.digest()


def test_every_algorithm_has_a_check_value() -> None:
    assert set(ALGORITHMS) == set(CHECK) == set(LENGTHS)
    assert "sha1" in ALGORITHMS


@algorithms
def test_algorithm_gives_its_check_value(algorithm: str) -> None:
    assert hashed(algorithm, b"123456789").hex() == CHECK[algorithm]


@algorithms
@given(content=st.binary(max_size=500), cut=st.integers(0, 500))
def test_hash_does_not_depend_on_where_the_pieces_are_cut(
    algorithm: str, content: bytes, cut: int
) -> None:
    assert hashed(algorithm, content[:cut], content[cut:]) == hashed(algorithm, content)


@given(st.binary(max_size=500))
def test_hash_is_that_of_the_standard_library(content: bytes) -> None:
    assert hashed("crc32", content) == zlib.crc32(content).to_bytes(4, "big")
    for name in ("md5", "sha1", "sha256", "sha512"):
        assert hashed(name, content) == hashlib.new(name, content).digest()


@algorithms
@given(st.data())
def test_checksum_survives_being_written_and_read(algorithm: str, data: st.DataObject) -> None:
    length = LENGTHS[algorithm]
    digest = data.draw(st.binary(min_size=length, max_size=length))
    header = format_checksum(algorithm, digest)
    assert parse_checksum(header, ALGORITHMS) == Checksum(algorithm, digest)


@algorithms
def test_only_the_right_digest_matches(algorithm: str) -> None:
    right = Checksum(algorithm, hashed(algorithm, b"content"))
    hasher = right.hasher()
    hasher.update(memoryview(b"content"))
    assert right.matches(hasher)
    assert not Checksum(algorithm, right.digest[:-1] + b"\0").matches(hasher)
    assert not right.matches(right.hasher())


@algorithms
def test_algorithm_that_is_not_offered_is_refused(algorithm: str) -> None:
    others = tuple(name for name in ALGORITHMS if name != algorithm)
    header = format_checksum(algorithm, bytes(LENGTHS[algorithm]))
    with pytest.raises(UnsupportedChecksumAlgorithm, match=", ".join(others)) as refusal:
        parse_checksum(header, others)
    assert refusal.value.status == 400


SHA1 = base64.b64encode(bytes(20)).decode()


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("", UnsupportedChecksumAlgorithm),
        (" ", UnsupportedChecksumAlgorithm),
        (f"SHA1 {SHA1}", UnsupportedChecksumAlgorithm),
        (f"sha-1 {SHA1}", UnsupportedChecksumAlgorithm),
        (f"sha1\t{SHA1}", UnsupportedChecksumAlgorithm),
        (SHA1, UnsupportedChecksumAlgorithm),
        ("sha1", InvalidHeader),
        ("sha1 ", InvalidHeader),
        (f"sha1 {SHA1[:-1]}", InvalidHeader),
        (f"sha1 {SHA1}=", InvalidHeader),
        (f"sha1 {SHA1} {SHA1}", InvalidHeader),
        (f"sha1 {SHA1[:10]} {SHA1[10:]}", InvalidHeader),
        ("sha1 " + "_" * 27 + "=", InvalidHeader),
        ("sha1 " + bytes(20).hex(), InvalidHeader),
        ("sha1 " + base64.b64encode(bytes(19)).decode(), InvalidHeader),
        ("sha1 " + base64.b64encode(bytes(32)).decode(), InvalidHeader),
        ("crc32 " + base64.b64encode(bytes(5)).decode(), InvalidHeader),
        ("sha1 A", InvalidHeader),
    ],
)
def test_anything_else_is_refused(
    header: str, error: type[InvalidHeader] | type[UnsupportedChecksumAlgorithm]
) -> None:
    with pytest.raises(error, match=r"^Upload-Checksum: ") as refusal:
        parse_checksum(header, ALGORITHMS)
    assert refusal.value.status == 400


@given(ANY_TEXT | st.sampled_from(ALGORITHMS).flatmap(lambda n: ANY_TEXT.map(lambda t: f"{n} {t}")))
def test_any_text_is_a_checksum_or_refused(text: str) -> None:
    got = outcome(
        lambda: parse_checksum(text, ALGORITHMS), InvalidHeader, UnsupportedChecksumAlgorithm
    )
    if isinstance(got, Checksum):
        assert len(got.digest) == LENGTHS[got.algorithm]


@pytest.mark.parametrize("filler", ["A", "=", " ", "A=", "/+"])
def test_long_header_is_read_quickly(filler: str) -> None:
    header = "sha1 " + filler * (LONGEST // len(filler))
    assert is_quick(lambda: parse_checksum(header, ALGORITHMS), InvalidHeader)
