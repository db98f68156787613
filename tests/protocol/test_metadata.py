"""Upload-Metadata: what a client says about its upload, and gets back as it said it."""

import base64

import pytest

from tests.harness import TusServer

BYTES = base64.b64encode(bytes(range(256))).decode()

RIGHT = [
    "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==",
    "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential",
    "is_confidential,filename d29ybGQ=",
    "a ,filename eC50eHQ=,b",
    "a,b,c",
    f"every_byte {BYTES}",
    "filename d29ybGQ=, filetype dGV4dA==",
    "x-%$!~ AA==",
    "Name YQ==,name Yg==",
    "long " + "QUFB" * 1000,
]
WRONG = [
    ("key not-base64!", "key"),
    ("ok YQ==,bad YQ", "bad"),
    ("bad YQ==YQ==", "bad"),
    ("bad ====", "bad"),
    ("bad Y Q==", "bad"),
    ("url-safe _-_-", "url-safe"),
    ("twice YQ==,twice Yg==", "twice"),
    ("twice,twice", "twice"),
    ("two  YQ==", "two"),
    (",", "pair 1"),
    ("a YQ==,,b YQ==", "pair 2"),
    ("a YQ==,", "pair 2"),
]


async def test_head_returns_it_as_it_was_sent(server: TusServer) -> None:
    for metadata in RIGHT:
        path = await server.create(5, {"Upload-Metadata": metadata})
        assert (await server.head(path)).headers["Upload-Metadata"] == metadata


async def test_head_still_returns_it_when_the_upload_is_finished(server: TusServer) -> None:
    path = await server.finished(b"hello", {"Upload-Metadata": "filename eC50eHQ="})
    assert (await server.head(path)).headers["Upload-Metadata"] == "filename eC50eHQ="


async def test_no_metadata_is_none_in_head(server: TusServer) -> None:
    assert "Upload-Metadata" not in (await server.head(await server.create(5))).headers


@pytest.mark.parametrize("empty", ["", " ", "\t"])
async def test_an_empty_header_is_no_metadata(server: TusServer, empty: str) -> None:
    # tuspy always sends the header.
    path = await server.create(5, {"Upload-Metadata": empty})
    assert "Upload-Metadata" not in (await server.head(path)).headers


async def test_that_cannot_be_read_is_400_and_names_the_key(server: TusServer) -> None:
    for metadata, named in WRONG:
        headers = {"Upload-Length": "5", "Upload-Metadata": metadata}
        answer = await server.request("POST", server.prefix, headers)
        assert (metadata, answer.status) == (metadata, 400)
        assert "Upload-Metadata" in answer.text
        assert named in answer.text
    assert server.stored() == {}


@pytest.mark.settings(metadata="lenient")
async def test_that_cannot_be_read_is_kept_where_the_setting_says_so(server: TusServer) -> None:
    for metadata, _ in WRONG:
        path = await server.create(5, {"Upload-Metadata": metadata})
        assert (await server.head(path)).headers["Upload-Metadata"] == metadata


@pytest.mark.parametrize("metadata", ["strict", "lenient"])
@pytest.mark.parametrize("junk", [b"k\x7f", b"k\xff", "schlüssel YQ==".encode(), b"a\tb YQ=="])
async def test_bytes_that_no_header_may_echo_are_400_under_any_setting(
    server: TusServer, metadata: str, junk: bytes
) -> None:
    async with server.raw() as connection:
        await connection.send(
            b"POST /files/ HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\n"
            b"Upload-Length: 5\r\nUpload-Metadata: " + junk + b"\r\n\r\n"
        )
        assert (await connection.receive()).status == 400
    assert server.stored() == {}


async def test_never_becomes_part_of_a_path(server: TusServer) -> None:
    names = ["../../etc/passwd", "/etc/passwd", "a\0b", "..", "con", "\u202egpj.exe"]
    for name in names:
        encoded = base64.b64encode(name.encode()).decode()
        await server.finished(b"hello", {"Upload-Metadata": f"filename {encoded}"})
    assert len(server.stored()) == len(names)
    assert all(len(path.rpartition("/")[2]) == 32 for path in server.stored())
