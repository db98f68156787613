"""What a request asks for, and what can be refused by looking at it alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocol.headers import ANY_TEXT, headers, lacking, outcome, tus
from tusd_py.errors import (
    InvalidHeader,
    MethodNotAllowed,
    ProtocolError,
    UnsupportedChecksumAlgorithm,
    UnsupportedMediaType,
    UnsupportedVersion,
)
from tusd_py.protocol.checksum import Checksum, format_checksum
from tusd_py.protocol.extensions import Extension, Policy
from tusd_py.protocol.requests import (
    Append,
    Discover,
    Inspect,
    Payload,
    Terminate,
    allowed_methods,
    check_version,
    effective_method,
    parse,
)

ID = "a" * 32
POLICY = Policy()
SHA1 = format_checksum("sha1", bytes(20))
OCTETS = "application/offset+octet-stream"
FINAL = f"final;/files/{ID}"


def append(policy: Policy = POLICY, /, **values: Any) -> object:
    defaults = {"content_type": OCTETS, "upload_offset": "0"}
    return parse("PATCH", ID, tus(**defaults | values), policy)


# --- the version ---


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE", "GET", "BREW"])
@pytest.mark.parametrize("version", [None, "", "0.2.2", "1.0", "1.0.0.0", "2.0.0", "1.0.0, 0.2.2"])
def test_other_version_is_refused(method: str, version: str | None) -> None:
    sent = headers() if version is None else headers(tus_resumable=version)
    with pytest.raises(UnsupportedVersion) as refusal:
        check_version(method, sent, POLICY)
    assert refusal.value.status == 412


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE", "GET", "BREW"])
def test_version_1_0_0_is_spoken(method: str) -> None:
    check_version(method, tus(), POLICY)


def test_repeated_version_is_refused() -> None:
    with pytest.raises(InvalidHeader, match="Tus-Resumable"):
        check_version("PATCH", headers(tus_resumable=["1.0.0", "1.0.0"]), POLICY)


def test_version_does_not_matter_to_options() -> None:
    for sent in (headers(), headers(tus_resumable="9.9.9"), headers(tus_resumable=["a", "b"])):
        check_version("OPTIONS", sent, POLICY)
        assert parse("OPTIONS", None, sent, POLICY) == Discover()
        assert parse("OPTIONS", ID, sent, POLICY) == Discover()


def test_head_without_version_is_answered_by_setting_but_not_with_a_wrong_one() -> None:
    policy = Policy(head_without_version=True)
    check_version("HEAD", headers(), policy)
    with pytest.raises(UnsupportedVersion):
        check_version("HEAD", headers(tus_resumable="0.2.2"), policy)
    with pytest.raises(UnsupportedVersion):
        check_version("DELETE", headers(), policy)


# --- methods ---


def test_override_is_the_method_where_it_is_obeyed() -> None:
    sent = headers(x_http_method_override="patch")
    assert effective_method("POST", sent, POLICY) == "PATCH"
    assert effective_method("POST", sent, Policy(method_override=False)) == "POST"
    assert effective_method("POST", headers(), POLICY) == "POST"


def test_repeated_override_is_refused() -> None:
    with pytest.raises(InvalidHeader, match="X-HTTP-Method-Override"):
        effective_method("POST", headers(x_http_method_override=["PATCH", "DELETE"]), POLICY)


@pytest.mark.parametrize(
    ("policy", "of_upload", "methods"),
    [
        (POLICY, False, ("OPTIONS", "POST")),
        (lacking(Extension.CREATION), False, ("OPTIONS",)),
        (POLICY, True, ("OPTIONS", "HEAD", "PATCH", "DELETE")),
        (lacking(Extension.TERMINATION), True, ("OPTIONS", "HEAD", "PATCH")),
    ],
)
def test_methods_follow_from_what_is_offered(
    policy: Policy, of_upload: bool, methods: tuple[str, ...]
) -> None:
    assert allowed_methods(policy, of_upload=of_upload) == methods


@pytest.mark.parametrize(
    ("method", "upload_id"),
    [("GET", None), ("HEAD", None), ("PATCH", None), ("DELETE", None), ("POST", ID), ("PUT", ID)],
)
def test_method_out_of_place_is_refused_with_those_in_place(
    method: str, upload_id: str | None
) -> None:
    with pytest.raises(MethodNotAllowed) as refusal:
        parse(method, upload_id, tus(), POLICY)
    assert refusal.value.allowed == allowed_methods(POLICY, of_upload=upload_id is not None)


def test_method_that_nobody_knows_is_not_repeated_to_the_client() -> None:
    with pytest.raises(MethodNotAllowed) as refusal:
        parse("<script>", ID, tus(), POLICY)
    assert "<script>" not in refusal.value.message


def test_simple_verbs() -> None:
    assert parse("HEAD", ID, tus(), POLICY) == Inspect(ID)
    assert parse("DELETE", ID, tus(), POLICY) == Terminate(ID)


# --- PATCH ---


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Append(ID, 0, Payload(0))),
        ({"upload_offset": "70", "content_length": "30"}, Append(ID, 70, Payload(30))),
        ({"transfer_encoding": "chunked"}, Append(ID, 0, Payload(None))),
        ({"upload_length": "99"}, Append(ID, 0, Payload(0), 99)),
        ({"upload_checksum": SHA1}, Append(ID, 0, Payload(0, Checksum("sha1", bytes(20))))),
        ({"trailer": "Upload-Checksum"}, Append(ID, 0, Payload(0, None, checksum_follows=True))),
        ({"content_encoding": "identity"}, Append(ID, 0, Payload(0))),
    ],
)
def test_append_is_read(values: dict[str, str], expected: Append) -> None:
    assert append(**values) == expected


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"content_type": "application/octet-stream"}, UnsupportedMediaType),
        ({"content_type": []}, UnsupportedMediaType),
        ({"content_encoding": "gzip"}, UnsupportedMediaType),
        ({"content_encoding": ["identity", "br"]}, UnsupportedMediaType),
        ({"upload_offset": []}, InvalidHeader),
        ({"upload_offset": "-1"}, InvalidHeader),
        ({"upload_offset": ["0", "0"]}, InvalidHeader),
        ({"upload_length": "x"}, InvalidHeader),
        ({"upload_checksum": "sha1"}, InvalidHeader),
        ({"upload_checksum": "sha3 QQ=="}, UnsupportedChecksumAlgorithm),
        ({"upload_checksum": SHA1, "trailer": "Upload-Checksum"}, InvalidHeader),
    ],
)
def test_append_is_refused(values: dict[str, Any], error: type[ProtocolError]) -> None:
    with pytest.raises(error):
        append(**values)


@pytest.mark.parametrize(
    ("extension", "values"),
    [
        (Extension.CHECKSUM, {"upload_checksum": SHA1}),
        (Extension.CHECKSUM_TRAILER, {"trailer": "Upload-Checksum"}),
    ],
)
def test_checksum_that_would_not_be_looked_at_is_refused(
    extension: Extension, values: dict[str, str]
) -> None:
    append(**values)
    with pytest.raises(InvalidHeader, match="not offered"):
        append(lacking(extension), **values)


NAMES = st.sampled_from(
    [
        "tus_resumable",
        "upload_length",
        "upload_offset",
        "upload_defer_length",
        "upload_metadata",
        "upload_concat",
        "upload_checksum",
        "content_type",
        "content_encoding",
        "trailer",
        "x_http_method_override",
    ]
)
VALUES = ANY_TEXT | st.sampled_from(["1.0.0", "1", "0", "5", OCTETS, "partial", FINAL, SHA1, "a"])


@given(
    st.sampled_from(["POST", "HEAD", "PATCH", "DELETE", "OPTIONS", "GET"]),
    st.sampled_from([None, ID]),
    st.dictionaries(NAMES, st.lists(VALUES, max_size=2)),
)
def test_any_request_is_understood_or_refused_for_a_reason(
    method: str, upload_id: str | None, values: dict[str, Any]
) -> None:
    sent = headers(**{"tus_resumable": "1.0.0"} | values)

    def read() -> object:
        acted_on = effective_method(method, sent, POLICY)
        check_version(acted_on, sent, POLICY)
        return parse(acted_on, upload_id, sent, POLICY)

    got = outcome(read, ProtocolError)
    if isinstance(got, ProtocolError):
        assert 400 <= got.status < 500
        assert got.message.isprintable()
