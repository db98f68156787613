"""Framing: bodies, connections and requests in every form that HTTP/1.x allows."""

import asyncio
import os

import pytest

from tests.harness import RawConnection, TusServer, patch_head, request_head

CHUNKED = "Transfer-Encoding: chunked"
#: A body of ten bytes that has every element of the chunked coding.
CODED = (
    b'1\r\nh\r\n1;name=value\r\ne\r\n3;a;b="c d";e=f \r\nllo\r\n0000004\r\n wor\r\n'
    + b"1\r\nl\r\n0;last\r\nX-Trailer: 1\r\n\r\n"
)
DECODED = b"hello worl"


async def send_in_pieces(connection: RawConnection, *pieces: bytes) -> None:
    """Send each of *pieces* as a segment of its own."""
    for piece in pieces:
        await connection.send(piece)
        await asyncio.sleep(0.001)


class TestChunkedBodies:
    async def test_need_no_content_length(self, server: TusServer) -> None:
        path = await server.create(10)
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, CHUNKED).encode() + CODED)
            answer = await connection.receive()
        assert (answer.status, answer.offset) == (204, 10)
        assert (await server.get(path)).body == DECODED

    async def test_may_be_split_at_every_byte(self, server: TusServer) -> None:
        splits = range(len(CODED) + 1)
        path = await server.create(len(DECODED) * len(splits))
        async with server.raw() as connection:
            for number, split in enumerate(splits):
                head = patch_head(path, number * len(DECODED), CHUNKED).encode()
                await send_in_pieces(connection, head + CODED[:split], CODED[split:])
                answer = await connection.receive()
                assert (split, answer.status) == (split, 204)
                assert answer.offset == (number + 1) * len(DECODED)
        assert (await server.get(path)).body == DECODED * len(splits)

    async def test_may_come_byte_by_byte(self, server: TusServer) -> None:
        path = await server.create(10)
        message = patch_head(path, 0, CHUNKED).encode() + CODED
        async with server.raw() as connection:
            await send_in_pieces(connection, *(bytes([byte]) for byte in message))
            assert (await connection.receive()).offset == 10
        assert (await server.get(path)).body == DECODED

    async def test_may_be_long(self, server: TusServer) -> None:
        content = os.urandom(3 * 2**20)
        path = await server.create(len(content))
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, CHUNKED))
            for start in range(0, len(content), 99_999):
                chunk = content[start : start + 99_999]
                await connection.send(b"%X\r\n%b\r\n" % (len(chunk), chunk))
            await connection.send("0\r\n\r\n")
            assert (await connection.receive()).offset == len(content)
        assert (await server.get(path)).body == content

    async def test_may_be_empty(self, server: TusServer) -> None:
        path = await server.create(10)
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, CHUNKED) + "0\r\n\r\n")
            answer = await connection.receive()
        assert (answer.status, answer.offset) == (204, 0)

    @pytest.mark.parametrize("coding", ["Chunked", "CHUNKED", "\tchunked "])
    async def test_coding_is_named_as_http_allows(self, server: TusServer, coding: str) -> None:
        path = await server.create(10)
        async with server.raw() as connection:
            head = patch_head(path, 0, f"transfer-encoding: {coding}")
            await connection.send(head.encode() + CODED)
            assert (await connection.receive()).status == 204


class TestHeads:
    async def test_may_come_in_one_segment_with_the_body(self, server: TusServer) -> None:
        path = await server.create(5)
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, length=5) + "hello")
            assert (await connection.receive()).offset == 5

    async def test_may_be_split_at_every_byte(self, server: TusServer) -> None:
        path = await server.create(10_000)
        size = len(patch_head(path, 1000, length=1)) + 1
        async with server.raw() as connection:
            for split in range(1, size):
                message = patch_head(path, split - 1, length=1).encode() + b"x"
                await send_in_pieces(connection, message[:split], message[split:])
                answer = await connection.receive()
                assert (split, answer.status, answer.offset) == (split, 204, split)

    async def test_may_follow_empty_lines(self, server: TusServer) -> None:
        # "SHOULD ignore at least one empty line" before a request (RFC 9112, section 2.2).
        path = await server.create(5)
        async with server.raw() as connection:
            await connection.send("\r\n\r\n" + patch_head(path, 0, length=5) + "hello")
            assert (await connection.receive()).offset == 5
            await connection.send("\r\n" + request_head("HEAD", path))
            assert (await connection.receive(head_only=True)).offset == 5

    async def test_may_have_sixteen_kilobytes_in_one_header(self, server: TusServer) -> None:
        metadata = "k " + "QUFB" * 4000
        path = await server.create(5, {"Upload-Metadata": metadata})
        async with server.raw() as connection:
            await connection.send(request_head("HEAD", path))
            answer = await connection.receive(head_only=True)
        assert answer.headers["Upload-Metadata"] == metadata

    @pytest.mark.parametrize("authority", ["test", "evil.example:99", "user@test"])
    async def test_may_name_an_absolute_url(self, server: TusServer, authority: str) -> None:
        path = await server.create(5)
        async with server.raw() as connection:
            target = f"http://{authority}{path}"
            await connection.send(patch_head(target, 0, length=5) + "hello")
            assert (await connection.receive()).offset == 5
            creation = request_head("POST", f"http://{authority}/files/", "Upload-Length: 1")
            await connection.send(creation)
            assert (await connection.receive()).headers["Location"].startswith("/files/")


class TestConnections:
    async def test_carry_pipelined_requests_in_order(self, server: TusServer) -> None:
        path = await server.create(10)
        requests = (
            request_head("POST", "/files/", "Upload-Length: 3"),
            patch_head(path, 0, length=5) + "hello",
            request_head("HEAD", path),
            patch_head(path, 5, CHUNKED) + "5\r\nworld\r\n0\r\n\r\n",
            "OPTIONS /files/ HTTP/1.1\r\nHost: test\r\n\r\n",
            request_head("HEAD", path),
        )
        async with server.raw() as connection:
            await connection.send("".join(requests))
            created = await connection.receive()
            assert (created.status, "Location" in created.headers) == (201, True)
            assert (await connection.receive()).offset == 5
            assert (await connection.receive(head_only=True)).offset == 5
            assert (await connection.receive()).offset == 10
            assert (await connection.receive()).headers["Tus-Version"] == "1.0.0"
            assert (await connection.receive(head_only=True)).offset == 10
        assert (await server.get(path)).body == b"helloworld"

    @pytest.mark.parametrize("segments", [1, 7])
    async def test_carry_very_many_pipelined_requests(
        self, server: TusServer, segments: int
    ) -> None:
        path = await server.create(200)
        requests = "".join(
            patch_head(path, number, length=1) + "x" + request_head("HEAD", path)
            for number in range(100)
        ).encode()
        size = len(requests) // segments + 1
        async with server.raw() as connection:
            await send_in_pieces(
                connection, *(requests[i : i + size] for i in range(0, len(requests), size))
            )
            for number in range(1, 101):
                answer = await connection.receive()
                assert (answer.status, answer.offset) == (204, number)
                assert (await connection.receive(head_only=True)).offset == number

    async def test_carry_pipelined_heads_beyond_any_queue(self, server: TusServer) -> None:
        path = await server.create(5)
        async with server.raw() as connection:
            await connection.send(request_head("HEAD", path) * 150)
            for _ in range(150):
                assert (await connection.receive(head_only=True)).offset == 0

    async def test_are_kept_alive(self, server: TusServer) -> None:
        path = await server.create(30)
        async with server.raw() as connection:
            for offset in range(30):
                await connection.send(patch_head(path, offset, length=1) + "x")
                assert (await connection.receive()).offset == offset + 1

    async def test_are_kept_alive_after_refusals_whose_body_was_read(
        self, server: TusServer
    ) -> None:
        path = await server.create(5)
        body = "x" * 200_000
        async with server.raw() as connection:
            for _ in range(3):
                await connection.send(patch_head(path, 9, length=len(body)) + body)
                assert (await connection.receive()).status == 409
            await connection.send(request_head("PATCH", path, "Upload-Offset: 0", CHUNKED))
            await connection.send("5\r\nhello\r\n0\r\n\r\n")
            assert (await connection.receive()).status == 415
            await connection.send(patch_head(path, 0, length=5) + "hello")
            assert (await connection.receive()).offset == 5

    async def test_are_closed_when_the_client_says_so(self, server: TusServer) -> None:
        path = await server.create(5)
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, "Connection: close", length=5) + "hello")
            assert (await connection.receive()).offset == 5
            assert await connection.is_closed()

    async def test_serve_one_client_while_another_is_silent(self, server: TusServer) -> None:
        async with server.raw() as silent:
            await silent.send("HEAD /files/")
            await server.assert_still_works()


class TestHttp10:
    async def test_closes_after_each_response(self, server: TusServer) -> None:
        path = await server.create(5)
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, length=5, version="1.0") + "hello")
            answer = await connection.receive()
            assert (answer.status, answer.offset) == (204, 5)
            assert await connection.is_closed()

    async def test_goes_on_where_the_client_asks_for_it(self, server: TusServer) -> None:
        path = await server.create(5)
        async with server.raw() as connection:
            for offset in range(5):
                head = patch_head(path, offset, "Connection: keep-alive", length=1, version="1.0")
                await connection.send(head + "x")
                answer = await connection.receive()
                assert (answer.status, answer.offset) == (204, offset + 1)
                assert answer.headers["Connection"].lower() == "keep-alive"

    async def test_needs_no_host(self, server: TusServer) -> None:
        async with server.raw() as connection:
            await connection.send("OPTIONS /files/ HTTP/1.0\r\n\r\n")
            assert (await connection.receive()).status == 204


class TestUpgrades:
    """Nothing here speaks another protocol: an offer to switch is not taken up."""

    @pytest.mark.parametrize("protocol", ["websocket", "h2c", "TLS/1.0"])
    async def test_a_body_that_comes_with_an_offer_is_taken(
        self, server: TusServer, protocol: str
    ) -> None:
        path = await server.create(5)
        offer = (f"Upgrade: {protocol}", "Connection: Upgrade")
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, *offer, length=5) + "hello")
            answer = await connection.receive()
        assert (answer.status, answer.offset) == (204, 5)

    @pytest.mark.parametrize("protocol", ["websocket", "h2c"])
    async def test_what_follows_an_offer_is_answered_or_dropped(
        self, server: TusServer, protocol: str
    ) -> None:
        path = await server.create(5)
        offer = (f"Upgrade: {protocol}", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
        async with server.raw() as connection:
            await connection.send(request_head("HEAD", path, *offer) + request_head("HEAD", path))
            assert (await connection.receive(head_only=True)).status == 200
            rest = await connection.reader.read(65536)
        assert rest == b"" or rest.startswith(b"HTTP/1.1 200 ")

    async def test_a_message_with_a_body_after_a_declined_one_smuggles_nothing(
        self, server: TusServer
    ) -> None:
        path, victim = await server.create(100), await server.create(5)
        offer = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
        hidden = request_head("DELETE", victim)
        async with server.raw() as connection:
            await connection.send(
                request_head("HEAD", path, *offer)
                + patch_head(path, 0, length=len(hidden))
                + hidden
                + patch_head(path, 0, CHUNKED)
                + f"{len(hidden):x}\r\n{hidden}\r\n0\r\nX-HTTP-Method-Override: DELETE\r\n\r\n"
                + request_head("HEAD", victim)
            )
            assert (await connection.receive(head_only=True)).status == 200
            assert await connection.is_closed()
        assert (await server.head(victim)).status == 200
        assert (await server.head(path)).status == 200


class TestConnect:
    async def test_opens_no_tunnel_and_ends_the_connection(self, server: TusServer) -> None:
        victim = await server.create(5)
        async with server.raw() as connection:
            await connection.send(
                "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n"
                + request_head("DELETE", victim)
            )
            assert (await connection.receive()).status in {400, 404, 405}
            assert await connection.is_closed()
        assert (await server.head(victim)).status == 200


async def test_options_of_the_whole_server_is_no_error_of_ours(server: TusServer) -> None:
    async with server.raw() as connection:
        await connection.send("OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n")
        assert (await connection.receive()).status < 500
