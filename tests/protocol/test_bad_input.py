"""Bad input gets a clear answer, and loses nothing."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from multidict import CIMultiDict

from tests.harness import OCTETS, Answer, TusServer, request_head

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: What is no non-negative integer of 63 bits.
NO_INTEGERS = [
    *("", "-1", "+5", "0x10", "1e3", "5.0", "5,0", "5 5", "5,5", "1_000", "five", "NaN", "5;q=1"),
    *(
        "9223372036854775808",
        "18446744073709551616",
        "1" + "0" * 30,
        "9" * 5000,
        "\u0665",
        "\uff15",
        "\u00b2",
    ),
]
#: What might be one in another spelling, and is taken as it is.
INTEGERS = {"5": 5, "005": 5, " 5": 5, "5 ": 5, "\t5\t": 5}
UNKNOWN = "/files/" + "0" * 32


@pytest_asyncio.fixture(loop_scope="module")
async def server(shared_server: TusServer) -> AsyncIterator[TusServer]:
    """A server that still works after whatever the test sent, and keeps what it had."""
    path = await shared_server.create(10)
    await shared_server.patch(path, 0, b"hello")
    yield shared_server
    assert (await shared_server.head(path)).offset == 5
    await shared_server.delete(path)
    await shared_server.assert_still_works()


async def send(server: TusServer, method: str, path: str, *lines: str | bytes) -> Answer:
    """Send header lines as they are; the answer is never a 500, and names what was wrong."""
    head = request_head(method, path).encode().removesuffix(b"\r\n")
    raw = [line.encode() if isinstance(line, str) else line for line in lines]
    async with server.raw() as connection:
        await connection.send(head + b"".join(line + b"\r\n" for line in raw) + b"\r\n")
        answer = await connection.receive(head_only=method == "HEAD")
    assert answer.status < 500
    return answer


async def check_refused(server: TusServer, answer: Answer, path: str, name: str) -> None:
    assert answer.status == 400
    assert name in answer.text
    assert (await server.head(path)).offset == 0


class TestNumbers:
    @pytest.mark.parametrize("value", NO_INTEGERS, ids=lambda value: ascii(value[:20]))
    async def test_that_are_none_in_upload_length(self, server: TusServer, value: str) -> None:
        before = server.stored()
        answer = await send(server, "POST", "/files/", f"Upload-Length: {value}")
        assert answer.status == 400
        assert "Upload-Length" in answer.text
        assert server.stored() == before

    @pytest.mark.parametrize("value", NO_INTEGERS, ids=lambda value: ascii(value[:20]))
    async def test_that_are_none_in_upload_offset(self, server: TusServer, value: str) -> None:
        path = await server.create(10)
        octets = "Content-Type: application/offset+octet-stream"
        answer = await send(server, "PATCH", path, octets, f"Upload-Offset: {value}")
        await check_refused(server, answer, path, "Upload-Offset")

    @pytest.mark.parametrize("value", NO_INTEGERS, ids=lambda value: ascii(value[:20]))
    async def test_that_are_none_in_the_upload_length_of_a_patch(
        self, server: TusServer, value: str
    ) -> None:
        path = await server.create(None, {"Upload-Defer-Length": "1"})
        lines = ("Content-Type: application/offset+octet-stream", "Upload-Offset: 0")
        answer = await send(server, "PATCH", path, *lines, f"Upload-Length: {value}")
        await check_refused(server, answer, path, "Upload-Length")

    @pytest.mark.parametrize(("value", "number"), INTEGERS.items())
    async def test_that_are_some(self, server: TusServer, value: str, number: int) -> None:
        answer = await send(server, "POST", "/files/", f"Upload-Length: {value}")
        assert answer.status == 201
        head = await server.head(answer.headers["Location"])
        assert head.headers["Upload-Length"] == str(number)

    async def test_that_no_upload_can_reach_as_offset_are_409(self, server: TusServer) -> None:
        assert (await server.patch(await server.create(10), 2**63 - 1, b"x")).status == 409


REPEATED = [
    ("Upload-Length", "5", "5"),
    ("Upload-Length", "5", "6"),
    ("Upload-Metadata", "a YQ==", "b Yg=="),
    ("Upload-Defer-Length", "1", "1"),
    ("Upload-Concat", "partial", "partial"),
    ("Tus-Resumable", "1.0.0", "1.0.0"),
    ("X-HTTP-Method-Override", "POST", "POST"),
    ("Upload-Checksum", "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
]


class TestHeaders:
    @pytest.mark.parametrize(("name", "one", "two"), REPEATED)
    async def test_that_are_repeated_are_400(
        self, server: TusServer, name: str, one: str, two: str
    ) -> None:
        headers = CIMultiDict({"Upload-Length": "0", **OCTETS, "Tus-Resumable": "1.0.0"})
        if name == "Upload-Defer-Length":
            del headers["Upload-Length"]
        headers.pop(name, None)
        headers.extend([(name, one), (name, two)])
        before = server.stored()
        lines = [f"{key}: {value}" for key, value in headers.items()]
        async with server.raw() as connection:
            await connection.send("\r\n".join(["POST /files/ HTTP/1.1", "Host: a", *lines]))
            await connection.send("\r\n\r\n")
            answer = await connection.receive()
        assert answer.status == 400
        assert name in answer.text
        assert server.stored() == before

    @pytest.mark.parametrize("offsets", [("0", "0"), ("0", "5"), ("5", "0")])
    async def test_offset_that_is_repeated_is_400(
        self, server: TusServer, offsets: tuple[str, str]
    ) -> None:
        path = await server.create(10)
        headers = CIMultiDict([*OCTETS.items(), *(("Upload-Offset", each) for each in offsets)])
        answer = await server.request("PATCH", path, headers, b"x")
        await check_refused(server, answer, path, "Upload-Offset")

    async def test_content_type_that_is_repeated_is_400_or_415(self, server: TusServer) -> None:
        path = await server.create(10)
        octets = "Content-Type: application/offset+octet-stream"
        answer = await send(server, "PATCH", path, octets, octets, "Upload-Offset: 0")
        assert answer.status in {400, 415}

    async def test_that_are_missing_are_400(self, server: TusServer) -> None:
        path = await server.create(10)
        answer = await server.request("PATCH", path, OCTETS, b"x")
        await check_refused(server, answer, path, "Upload-Offset")
        answer = await server.request("POST", server.prefix)
        assert answer.status == 400

    @pytest.mark.parametrize("name", ["Upload-Metadata", "Upload-Concat", "Upload-Checksum"])
    @pytest.mark.parametrize("junk", [b"\xff\xfe", b"a\x7fb", "ü".encode(), b"a\x01b"])
    async def test_with_bytes_that_are_no_text_are_400(
        self, server: TusServer, name: str, junk: bytes
    ) -> None:
        before = server.stored()
        octets = "Content-Type: application/offset+octet-stream"
        line = name.encode() + b": " + junk
        answer = await send(server, "POST", "/files/", "Upload-Length: 5", octets, line)
        assert answer.status == 400
        assert server.stored() == before

    async def test_both_length_and_deferral_are_400(self, server: TusServer) -> None:
        lines = ("Upload-Length: 5", "Upload-Defer-Length: 1")
        assert (await send(server, "POST", "/files/", *lines)).status == 400

    @pytest.mark.parametrize("method", ["HEAD", "DELETE", "GET", "OPTIONS"])
    async def test_bodies_of_methods_that_have_none_are_passed_over(
        self, server: TusServer, method: str
    ) -> None:
        path = await server.create(10)
        async with server.raw() as connection:
            hidden = request_head("DELETE", path)
            await connection.send(request_head(method, UNKNOWN, length=len(hidden)) + hidden)
            answer = await connection.receive(head_only=method == "HEAD")
            assert answer.status in {204, 404}
            await connection.send(request_head("HEAD", path))
            assert (await connection.receive(head_only=True)).status == 200


ID = "0123456789abcdef" * 2
IDS = [
    *("..", "../", "../..", "../../etc/passwd", "./" + ID, "../files/" + ID, ID + "/", ID + "/.."),
    *("%2e%2e", "%2e%2e%2f", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e", "%2f" + ID, "%2F%2F"),
    *("%00", ID + "%00", ID[:-1] + "%00", "%00" + ID, ID + "%0a", "%0a", "%0d%0a", ID + "%20"),
    *(ID[:-1], ID + "0", ID * 2, ID.upper(), "A" * 32, "g" * 32, "-" * 32, "%30" + ID[1:]),
    *("%2500", "%252e%252e%252f", "%c0%ae%c0%ae", "%ff", "%", "%zz", "%u002e", "\\..\\..", "..;/"),
    *(
        "state.sqlite3",
        "server.lock",
        "uploads",
        "01/" + ID,
        "/" + ID,
        "//" + ID,
        ID + ";x",
        ID + ".",
    ),
    *("a" * 7000, "%61" * 32, "%F0%9F%92%A9" * 8, "~root", "$HOME", "*", "con", "0", "null"),
]


@pytest.mark.parametrize("name", IDS, ids=lambda name: ascii(name[:24]))
async def test_ids_that_are_none_are_404_and_touch_no_file(server: TusServer, name: str) -> None:
    before = server.stored()
    for method in ("HEAD", "PATCH", "DELETE", "GET"):
        lines = ("Upload-Offset: 0", "Content-Type: application/offset+octet-stream")
        answer = await send(server, method, "/files/" + name, *lines, "Content-Length: 0")
        assert (method, answer.status) == (method, 404)
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert "passwd" not in answer.text
    assert server.stored() == before


@pytest.mark.parametrize("query", ["?x=1", "?", "?id=" + "0" * 32, "?%zz", "?a=%00&b=%ff", "??"])
async def test_a_query_does_not_change_which_upload_is_meant(server: TusServer, query: str) -> None:
    path = await server.create(5)
    assert (await send(server, "HEAD", path + query)).status == 200
    octets = "Content-Type: application/offset+octet-stream"
    lines = (octets, "Upload-Offset: 0", "Content-Length: 0")
    assert (await send(server, "PATCH", path + query, *lines)).status == 204
    assert (await send(server, "DELETE", path + query)).status == 204


@pytest.mark.parametrize("prefix", ["/FILES/", "/file/", "/filesx/", "/x/files/", "//files/"])
async def test_other_prefixes_are_not_ours(server: TusServer, prefix: str) -> None:
    path = await server.create(5)
    wrong = path.replace("/files/", prefix)
    assert (await server.delete(wrong)).status == 404
    assert (await server.head(path)).status == 200


async def test_unsupported_versions_are_412_and_name_the_supported_one(server: TusServer) -> None:
    answer = await server.request("HEAD", UNKNOWN, {"Tus-Resumable": "2.0.0"}, tus=False)
    assert (answer.status, answer.headers["Tus-Version"]) == (412, "1.0.0")
