"""What a creation asks for, and what can be refused by looking at it alone."""

from typing import Any

import pytest

from tests.unit.protocol.headers import lacking, tus
from tusd_py.errors import InvalidHeader, InvalidPart, ProtocolError, UnsupportedMediaType
from tusd_py.protocol.checksum import Checksum, format_checksum
from tusd_py.protocol.concatenation import Concat
from tusd_py.protocol.extensions import Extension, Policy
from tusd_py.protocol.requests import Create, Payload, parse

ID = "a" * 32
POLICY = Policy()
SHA1 = format_checksum("sha1", bytes(20))
OCTETS = "application/offset+octet-stream"
FINAL = f"final;/files/{ID}"


def create(policy: Policy = POLICY, /, **values: Any) -> object:
    return parse("POST", None, tus(**values), policy)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"upload_length": "10"}, Create(10)),
        ({"upload_length": "0"}, Create(0)),
        ({"upload_defer_length": "1"}, Create(None)),
        ({"upload_length": "1", "upload_metadata": "a QQ==,b"}, Create(1, "a QQ==,b")),
        ({"upload_length": "1", "upload_metadata": ""}, Create(1, None)),
        (
            {"upload_length": "1", "upload_concat": "partial"},
            Create(1, concat=Concat("partial", None)),
        ),
        ({"upload_concat": FINAL}, Create(None, concat=Concat(FINAL, (ID,)))),
        ({"upload_concat": FINAL, "content_length": "0"}, Create(None, None, Concat(FINAL, (ID,)))),
        (
            {"upload_concat": FINAL, "content_type": OCTETS, "content_length": "0"},
            Create(None, None, Concat(FINAL, (ID,))),
        ),
        ({"upload_length": "1", "content_length": "0"}, Create(1)),
        ({"upload_length": "1", "content_length": "0", "content_type": "text/plain"}, Create(1)),
        (
            {"upload_length": "9", "content_type": OCTETS, "content_length": "5"},
            Create(9, payload=Payload(5)),
        ),
        (
            {"upload_length": "9", "content_type": OCTETS, "content_length": "0"},
            Create(9, payload=Payload(0)),
        ),
        (
            {"upload_defer_length": "1", "content_type": OCTETS, "transfer_encoding": "chunked"},
            Create(None, payload=Payload(None)),
        ),
        (
            {
                "upload_length": "9",
                "content_type": OCTETS,
                "content_length": "5",
                "upload_checksum": SHA1,
            },
            Create(9, payload=Payload(5, Checksum("sha1", bytes(20)))),
        ),
    ],
)
def test_creation_is_read(values: dict[str, str], expected: Create) -> None:
    assert create(**values) == expected


@pytest.mark.parametrize(
    ("values", "error", "complaint"),
    [
        ({}, InvalidHeader, "Upload-Length: is missing"),
        ({"upload_length": "5", "upload_defer_length": "1"}, InvalidHeader, "Upload-Defer-Length"),
        ({"upload_defer_length": "0"}, InvalidHeader, "Upload-Defer-Length: must be 1"),
        ({"upload_length": "-1"}, InvalidHeader, "Upload-Length"),
        ({"upload_length": ["1", "1"]}, InvalidHeader, "Upload-Length"),
        ({"upload_length": "5", "upload_metadata": "a ?"}, InvalidHeader, "'a'"),
        ({"upload_length": "5", "upload_metadata": ["a", "b"]}, InvalidHeader, "Upload-Metadata"),
        ({"upload_length": "5", "upload_concat": "part"}, InvalidHeader, "Upload-Concat"),
        ({"upload_concat": FINAL, "upload_length": "5"}, InvalidHeader, "Upload-Length"),
        ({"upload_concat": FINAL, "upload_defer_length": "1"}, InvalidHeader, "Upload-Length"),
        ({"upload_concat": "final;/nothing"}, InvalidPart, "/nothing"),
        (
            {"upload_concat": FINAL, "content_type": OCTETS, "content_length": "1"},
            InvalidHeader,
            "Upload-Concat",
        ),
        ({"upload_length": "5", "content_length": "5"}, UnsupportedMediaType, OCTETS),
        ({"upload_length": "5", "transfer_encoding": "chunked"}, UnsupportedMediaType, OCTETS),
        (
            {"upload_length": "5", "content_length": "5", "content_type": "text/plain"},
            UnsupportedMediaType,
            OCTETS,
        ),
        (
            {
                "upload_length": "5",
                "content_length": "5",
                "content_type": OCTETS,
                "content_encoding": "gzip",
            },
            UnsupportedMediaType,
            "Content-Encoding",
        ),
    ],
)
def test_creation_is_refused(
    values: dict[str, Any], error: type[ProtocolError], complaint: str
) -> None:
    with pytest.raises(error) as refusal:
        create(**values)
    assert complaint in refusal.value.message


def test_unreadable_metadata_is_kept_where_that_is_the_setting() -> None:
    policy = Policy(lenient_metadata=True)
    assert create(policy, upload_length="1", upload_metadata="a ?,,b") == Create(1, "a ?,,b")


def test_empty_body_declared_as_data_is_no_data_where_that_is_not_offered() -> None:
    """Clients declare the type of every POST; an empty one asks for nothing."""
    values = {"upload_length": "5", "content_type": OCTETS, "content_length": "0"}
    assert create(lacking(Extension.CREATION_WITH_UPLOAD), **values) == Create(5)


@pytest.mark.parametrize(
    ("extension", "values", "error"),
    [
        (Extension.CREATION_DEFER_LENGTH, {"upload_defer_length": "1"}, InvalidHeader),
        (
            Extension.CONCATENATION,
            {"upload_length": "1", "upload_concat": "partial"},
            InvalidHeader,
        ),
        (Extension.CONCATENATION, {"upload_concat": FINAL}, InvalidHeader),
        (
            Extension.CREATION_WITH_UPLOAD,
            {"upload_length": "5", "content_type": OCTETS, "content_length": "5"},
            UnsupportedMediaType,
        ),
    ],
)
def test_what_is_not_offered_is_not_done(
    extension: Extension, values: dict[str, str], error: type[ProtocolError]
) -> None:
    create(**values)
    with pytest.raises(error, match="not offered"):
        create(lacking(extension), **values)
