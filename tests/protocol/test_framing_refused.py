"""Framing that is broken or ambiguous: refused and closed, for nobody knows what comes next."""

import pytest

from tests.harness import TusServer, patch_head, request_head

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = "5\r\nhello\r\n0\r\n\r\n"


async def refused(server: TusServer, message: str | bytes, victim: str) -> int:
    """
    Send *message* with a request behind it, and return the status of the only answer.

    The connection is closed without the second request being obeyed, and the server lives on.
    """
    data = message.encode() if isinstance(message, str) else message
    async with server.raw() as connection:
        await connection.send(data + request_head("DELETE", victim).encode())
        answer = await connection.receive()
        rest = await connection.reader.read(65536)
        assert rest == b"", (data, answer.status, rest)
        assert await connection.is_closed()
    assert (await server.head(victim)).status == 200
    return answer.status


@pytest.mark.parametrize(
    "framing",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Content-Length: 5", "Transfer-Encoding: gzip"),
        ("Content-Length: 0", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 5"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5, 5",),
        ("Content-Length: +5",),
        ("Content-Length: -5",),
        ("Content-Length: 0x5",),
        ("Content-Length: 5 5",),
        ("Content-Length: 5a",),
        ("Content-Length: \u0665",),
        ("Content-Length:",),
        ("Content-Length: 18446744073709551616",),
        ("Content-Length: 100000000000000000000000000005",),
        ("Transfer-Encoding: identity",),
        ("Transfer-Encoding: gzip",),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, gzip",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: gzip"),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: identity, chunked",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunkedx",),
        ("Transfer-Encoding: chunked;q=1",),
        ('Transfer-Encoding: "chunked"',),
        ("Transfer-Encoding: ,chunked",),
        ("Transfer-Encoding:",),
        ("Transfer-Encoding : chunked",),
        (" Transfer-Encoding: chunked",),
        ("Transfer-Encoding: \x0bchunked",),
        ("Transfer-Encoding:\r\n chunked",),
        ("X: y", " Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked\rX: y",),
        ("X: y\nTransfer-Encoding: chunked",),
    ],
    ids=" + ".join,
)
async def test_of_a_body_whose_end_is_ambiguous(
    shared_server: TusServer, framing: tuple[str, ...]
) -> None:
    path, victim = await shared_server.create(100), await shared_server.create(5)
    body = HELLO if any("hunked" in line for line in framing) else "hello"
    message = patch_head(path, 0, *framing) + body
    assert await refused(shared_server, message, victim) in {400, 501}
    assert (await shared_server.head(path)).offset == 0


@pytest.mark.parametrize("keep_alive", [False, True])
async def test_of_a_chunked_body_in_http_1_0(shared_server: TusServer, keep_alive: bool) -> None:
    path, victim = await shared_server.create(5), await shared_server.create(5)
    lines = ("Transfer-Encoding: chunked", *(["Connection: keep-alive"] if keep_alive else []))
    message = patch_head(path, 0, *lines, version="1.0") + HELLO
    assert await refused(shared_server, message, victim) == 400
    assert (await shared_server.head(path)).offset == 0


@pytest.mark.parametrize(
    "body",
    [
        *("g\r\nhello\r\n", "\r\nhello\r\n", " 5\r\nhello\r\n", "-5\r\nhello\r\n"),
        *("+5\r\nhello\r\n", "0x5\r\nhello\r\n", "5 5\r\nhello\r\n", "5h\r\nhello\r\n"),
        *(
            "5\nhello\r\n",
            "5\rhello\r\n",
            "5;a\nhello\r\n",
            "5;\x00\r\nhello\r\n",
            "\u0665\r\nhello\r\n",
        ),
        *("8000000000000000\r\n", "ffffffffffffffff\r\n", "10000000000000005\r\nhello\r\n"),
        *(f"{'0' * 2000}5\r\nhello\r\n", f"5;{'x' * 2000}\r\nhello\r\n", f"5{' ' * 2000}"),
    ],
)
async def test_of_chunk_sizes_that_are_none(shared_server: TusServer, body: str) -> None:
    path, victim = await shared_server.create(100), await shared_server.create(5)
    message = patch_head(path, 0, "Transfer-Encoding: chunked") + body
    assert await refused(shared_server, message, victim) == 400
    assert (await shared_server.head(path)).offset == 0


@pytest.mark.parametrize(
    "rest",
    [
        *("hello!\r\n0\r\n\r\n", "hello0\r\n\r\n", "hello\n0\r\n\r\n", "hello\r0\r\n\r\n"),
        *("hello\r\n\r\n0\r\n\r\n", "hello\r\n0\n\r\n", "hello\r\nnonsense\r\n"),
        *("hello\r\n0\r\nno colon\r\n\r\n", "hello\r\n0\r\n: no name\r\n\r\n"),
        *("hello\r\n0\r\nA: b\r\n folded\r\n\r\n", "hello\r\n0\r\nA : b\r\n\r\n"),
        *(
            "hello\r\n0\r\nA: b\nC: d\r\n\r\n",
            "hello\r\n0\r\nA: b\r\n\n",
            "hello\r\n0\r\nA: \x00\r\n",
        ),
        *(f"hello\r\n0\r\nA: {'x' * 9000}\r\n\r\n", "hello\r\n0\r\n" + "A: b\r\n" * 3000 + "\r\n"),
    ],
)
async def test_of_a_body_that_breaks_keeps_what_came_before(
    shared_server: TusServer, rest: str
) -> None:
    path, victim = await shared_server.create(100), await shared_server.create(5)
    message = patch_head(path, 0, "Transfer-Encoding: chunked") + "5\r\n" + rest
    assert await refused(shared_server, message, victim) == 400
    assert (await shared_server.head(path)).offset == 5


@pytest.mark.parametrize(
    "message",
    [
        *("", "\x00", "nonsense", "OPTIONS /files/", "OPTIONS /files/ HTTP/1.1 x"),
        *("OPTIONS /files/ HTTP/0.9", "OPTIONS /files/ HTTP/2.0", "OPTIONS /files/ HTTP/3.0"),
        *("OPTIONS /files/ HTTP/11", "OPTIONS /files/ http/1.1", "OPTIONS\t/files/ HTTP/1.1"),
        *("OPT\x00IONS /files/ HTTP/1.1", "OPTIONS /fi les/ HTTP/1.1"),
        *("OPTIONS /files/\x00 HTTP/1.1", "\x16\x03\x01\x02\x00\x01\x00", "PRI * HTTP/2.0"),
        "OPTIONS /files/" + "a" * 20_000 + " HTTP/1.1",
    ],
    ids=lambda message: ascii(message[:25]),
)
async def test_of_request_lines_that_are_none(shared_server: TusServer, message: str) -> None:
    victim = await shared_server.create(5)
    lines = f"{message or '!'}\r\nHost: test\r\n\r\n"
    assert await refused(shared_server, lines, victim) in {400, 505}


@pytest.mark.parametrize(
    "lines",
    [
        *(
            "no colon",
            ": no name",
            "X y: z",
            "X\x00: y",
            "X: \x00",
            "X: a\rb",
            "Ünicode: x",
            "X\t: y",
        ),
        *("X: a\r\n folded", "X: a\n\nDELETE / HTTP/1.1", "Host: another", "X: y\n"),
        "X: " + "x" * 17_000,
        "X" * 17_000 + ": x",
        "\r\n".join(f"X{number}: y" for number in range(200)),
    ],
    ids=lambda lines: ascii(lines[:25]),
)
async def test_of_headers_that_are_none_or_too_long(shared_server: TusServer, lines: str) -> None:
    path, victim = await shared_server.create(5), await shared_server.create(5)
    message = patch_head(path, 0, lines, length=5) + "hello"
    assert await refused(shared_server, message, victim) == 400
    assert (await shared_server.head(path)).offset == 0


async def test_of_a_request_without_a_host(shared_server: TusServer) -> None:
    victim = await shared_server.create(5)
    assert await refused(shared_server, "OPTIONS /files/ HTTP/1.1\r\n\r\n", victim) == 400


async def test_of_lines_that_end_in_a_bare_line_feed(shared_server: TusServer) -> None:
    path, victim = await shared_server.create(5), await shared_server.create(5)
    message = patch_head(path, 0, length=5).replace("\r\n", "\n") + "hello"
    assert await refused(shared_server, message, victim) == 400
    assert (await shared_server.head(path)).offset == 0


async def test_of_an_endless_header_is_not_collected(shared_server: TusServer) -> None:
    async with shared_server.raw() as connection:
        await connection.send("HEAD /files/ HTTP/1.1\r\nX: ")
        try:
            for _ in range(64):
                await connection.send("x" * 65_536)
        except ConnectionError:
            pass
        assert await connection.is_closed()
    await shared_server.assert_still_works()


async def test_answers_without_saying_what_runs_below(shared_server: TusServer) -> None:
    async with shared_server.raw() as connection:
        await connection.send("nonsense\r\n\r\n")
        answer = await connection.receive()
    assert "aiohttp" not in answer.headers.get("Server", "") + answer.text
    assert "Python" not in answer.headers.get("Server", "") + answer.text
    await shared_server.assert_still_works()
