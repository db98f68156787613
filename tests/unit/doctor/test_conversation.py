"""Answers are read as they come, in whatever pieces, and no wait is without an end."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tusd_py.doctor.conversation import Conversation, Deadline, OutOfTime, Unanswered

LATER = 60.0


@contextmanager
def talking(*pieces: bytes, deadline: float = LATER, stays: float = 0.0) -> Iterator[Conversation]:
    """Talk to a peer that says *pieces*, whatever it hears, and closes after *stays* seconds."""
    listener = socket.create_server(("127.0.0.1", 0))

    def peer() -> None:
        connection, _ = listener.accept()
        # The other end may have had enough.
        with connection, suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.02)
            time.sleep(stays)

    thread = threading.Thread(target=peer, daemon=True)
    thread.start()
    host, port = listener.getsockname()
    with listener, Conversation(host, port, None, Deadline(deadline)) as conversation:
        yield conversation
    thread.join(5)


def test_head_in_pieces_and_a_body_with_its_length() -> None:
    with talking(
        b"HTTP/1.1 409 Con", b"flict\r\nA: 1\r\nContent-Le", b"ngth: 5\r\n\r\nhe", b"llo!"
    ) as it:
        answer = it.answer()
    assert (answer.status, answer.body, answer.get("a")) == (409, b"hello", "1")


@pytest.mark.parametrize("head", [b"Transfer-Encoding: chunked", b"Connection: close"])
def test_body_whose_end_shows_later(head: bytes) -> None:
    body = b"5\r\nhello\r\n0\r\n\r\n"
    with talking(b"HTTP/1.1 404 No\r\n%b\r\n\r\n" % head, body) as it:
        assert it.answer().body == body


@pytest.mark.parametrize(("to", "status"), [("HEAD", 200), ("PATCH", 204)])
def test_answer_that_has_no_body(to: str, status: int) -> None:
    head = f"HTTP/1.1 {status} OK\r\nContent-Length: 500\r\n\r\n".encode()
    with talking(head * 2, stays=0.5) as it:
        assert it.answer(to=to).body == b""
        assert it.answer(to=to).status == status


def test_interim_answers_are_passed_over_or_heard() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    with talking(interim, interim, b"HTTP/1.1 204 OK\r\n\r\n") as it:
        heard = it.hear(1.0)
        assert heard is not None
        assert heard.status == 100
        assert it.answer().status == 204


def test_repeated_headers_are_all_there() -> None:
    with talking(b"HTTP/1.1 204 OK\r\nX: a, B\r\nx: c\r\nN: 7\r\nM: -7\r\n\r\n") as it:
        answer = it.answer()
    assert answer.all("X") == ["a, B", "c"]
    assert answer.items("X") == {"a", "b", "c"}
    assert (answer.number("N"), answer.number("M"), answer.number("O")) == (7, None, None)


@pytest.mark.parametrize(
    ("version", "connection", "keeps_open"),
    [("1.1", "", True), ("1.1", "close", False), ("1.0", "", False), ("1.0", "Keep-Alive", True)],
)
def test_connection_that_is_kept(version: str, connection: str, keeps_open: bool) -> None:
    with talking(f"HTTP/{version} 204 OK\r\nConnection: {connection}\r\n\r\n".encode()) as it:
        assert it.answer().keeps_open is keeps_open


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"x" * 200_000])
def test_what_is_no_http(said: bytes) -> None:
    with talking(said, stays=0.5) as it, pytest.raises(Unanswered, match="no answer of HTTP"):
        it.answer()


def test_silence_ends_in_time() -> None:
    with talking(stays=0.5) as it:
        assert it.hear(0.05) is None
        with pytest.raises(Unanswered, match="no answer within 0 seconds"):
            it.answer(within=0.05)


def test_endless_interim_answers_end_in_time() -> None:
    with talking(*[b"HTTP/1.1 102 Wait\r\n\r\n"] * 50) as it, pytest.raises(Unanswered):
        it.answer(within=0.2)


def test_closed_connection() -> None:
    with talking(b"HTTP/1.1 2") as it, pytest.raises(Unanswered, match="closed without an answer"):
        it.answer()


def test_a_body_stops_where_the_answer_is_there_already() -> None:
    with talking(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n", stays=0.3) as it:
        started = time.monotonic()
        it.send(bytes(64 * 2**20))
        assert time.monotonic() - started < 5
        assert it.answer().status == 413


@pytest.mark.parametrize(
    "wait", [lambda it: it.hear(LATER), lambda it: it.answer(), lambda it: it.send(b"x")]
)
def test_deadline_ends_every_wait(wait: Callable[[Conversation], object]) -> None:
    with talking(deadline=0.1, stays=0.4) as it:
        time.sleep(0.15)
        with pytest.raises(OutOfTime):
            wait(it)
