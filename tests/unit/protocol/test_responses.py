"""What an outcome looks like to the client."""

import pytest

from tests.contracts.examples import a_final, a_part, an_upload
from tusd_py.protocol.extensions import Extension, Policy
from tusd_py.protocol.responses import (
    Reply,
    describe_append,
    describe_creation,
    describe_server,
    describe_termination,
    describe_upload,
)
from tusd_py.protocol.upload import Upload, UploadState

EXPIRES = {"Upload-Expires": "Tue, 21 Nov 2023 22:13:20 GMT"}
UNCACHED = {"Cache-Control": "no-store"}


@pytest.mark.parametrize(
    ("policy", "headers"),
    [
        (
            Policy(),
            {
                "Tus-Version": "1.0.0",
                "Tus-Extension": "creation,creation-with-upload,creation-defer-length,expiration,"
                "checksum,checksum-trailer,termination,concatenation,concatenation-unfinished",
                "Tus-Checksum-Algorithm": "crc32,crc32c,md5,sha1,sha256,sha512",
            },
        ),
        (
            Policy(
                extensions=(Extension.CREATION, Extension.CHECKSUM),
                algorithms=("sha1",),
                max_size=5,
            ),
            {
                "Tus-Version": "1.0.0",
                "Tus-Extension": "creation,checksum",
                "Tus-Max-Size": "5",
                "Tus-Checksum-Algorithm": "sha1",
            },
        ),
        (Policy(extensions=(), max_size=0), {"Tus-Version": "1.0.0", "Tus-Max-Size": "0"}),
    ],
)
def test_server_describes_itself(policy: Policy, headers: dict[str, str]) -> None:
    assert describe_server(policy) == Reply(204, headers)


@pytest.mark.parametrize(
    ("upload", "with_payload", "headers"),
    [
        (an_upload(1), False, EXPIRES),
        (an_upload(1, offset=4), True, {"Upload-Offset": "4"} | EXPIRES),
        (an_upload(1, offset=0, expires_at=None), True, {"Upload-Offset": "0"}),
    ],
)
def test_creation_tells_where_the_upload_is(
    upload: Upload, with_payload: bool, headers: dict[str, str]
) -> None:
    reply = describe_creation(upload, "/files/x", with_payload=with_payload)
    assert reply == Reply(201, {"Location": "/files/x"} | headers)


@pytest.mark.parametrize(
    ("upload", "headers"),
    [
        (an_upload(1, offset=4), {"Upload-Offset": "4", "Upload-Length": "100"} | EXPIRES),
        (
            an_upload(1, length=None, expires_at=None),
            {"Upload-Offset": "0", "Upload-Defer-Length": "1"},
        ),
        (
            an_upload(1, metadata="b Qg==,a", expires_at=None),
            {"Upload-Offset": "0", "Upload-Length": "100", "Upload-Metadata": "b Qg==,a"},
        ),
        (
            a_part(1, expires_at=None),
            {"Upload-Offset": "10", "Upload-Length": "10", "Upload-Concat": "partial"},
        ),
        (
            a_final(1, 2, length=10, offset=10, state=UploadState.FINISHED, expires_at=None),
            {
                "Upload-Offset": "10",
                "Upload-Length": "10",
                "Upload-Concat": a_final(1, 2).concat,
            },
        ),
        (
            a_final(1, 2, length=10, expires_at=None),
            {"Upload-Length": "10", "Upload-Concat": a_final(1, 2).concat},
        ),
        (a_final(1, 2, expires_at=None), {"Upload-Concat": a_final(1, 2).concat}),
    ],
    ids=["open", "deferred", "metadata", "partial", "final", "unfinished", "unfinished-deferred"],
)
def test_upload_is_described(upload: Upload, headers: dict[str, str]) -> None:
    assert describe_upload(upload) == Reply(200, UNCACHED | headers)


def test_append_tells_the_new_offset() -> None:
    assert describe_append(an_upload(1, offset=7)) == Reply(204, {"Upload-Offset": "7"} | EXPIRES)
    finished = an_upload(1, offset=100, expires_at=None)
    assert describe_append(finished) == Reply(204, {"Upload-Offset": "100"})


def test_termination_needs_no_words() -> None:
    assert describe_termination() == Reply(204, {})
