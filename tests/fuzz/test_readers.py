"""What the fuzzer judges by: requests and answers are read strictly, and ledgers add up."""

import pytest

from tests.fuzz.answers import Violation, read_answers
from tests.fuzz.framing import read_requests
from tests.fuzz.ledger import Entry, Ledger, Possible

HOST = "Host: fuzz\r\n"
CHUNKED = f"{HOST}Transfer-Encoding: chunked\r\n"


def read(*messages: str) -> list[str]:
    """Return how requests stand, and the bodies of those that have one."""
    found = read_requests("".join(messages).encode("latin-1"))
    return [f"{each.standing} {each.body.decode('latin-1')}".strip() for each in found]


class TestRequests:
    def test_follow_each_other(self) -> None:
        get, put = f"GET / HTTP/1.1\r\n{HOST}\r\n", f"PUT / HTTP/1.1\r\n{HOST}"
        requests = (get, f"{put}Content-Length: 5\r\n\r\nhello", f"\r\n{put}\r\n", get)
        assert read(*requests) == ["whole", "whole hello", "whole", "whole"]

    def test_may_be_chunked(self) -> None:
        coded = '2;a="b;c"\r\nhe\r\n3 ; x=y\r\nllo\r\n0\r\nX: y\r\n\r\n'
        (request,) = read_requests(f"PUT / HTTP/1.1\r\n{CHUNKED}\r\n{coded}".encode())
        assert (request.standing, request.body, request.doubtful) == ("whole", b"hello", False)
        assert request.trailers == (("x", "y"),)

    @pytest.mark.parametrize(
        ("rest", "standing"),
        [
            *(("5\r\nhel", "cut hel"), ("5\r\nhello", "cut hello"), ("5", "cut"), ("5\r\n", "cut")),
            *(("5\r\nhello\r\n0\r\n", "cut hello"), ("5\r\nhello\r\n0\r\nX: y", "cut hello")),
            *(
                ("g\r\n", "broken"),
                ("5\nhello", "broken"),
                ("-5\r\n", "broken"),
                ("\r\n", "broken"),
            ),
            *(("5\r\nhello!\r\n", "broken hello"), ("5\r\nhello\n", "broken hello")),
            *(("1\r\nx\r\n0\r\nno colon\r\n\r\n", "broken x"), ("ffffffffffffffff\r\n", "broken")),
            *(("1\r\nx\r\n0\r\nX: y\r\n z\r\n\r\n", "broken x"), ("0\r\nX : y\r\n\r\n", "broken")),
        ],
    )
    def test_may_have_a_body_that_is_cut_or_broken(self, rest: str, standing: str) -> None:
        assert read(f"PUT / HTTP/1.1\r\n{CHUNKED}\r\n{rest}") == [standing]

    @pytest.mark.parametrize(
        "head",
        [
            *("GET / HTTP/2.0\r\nHost: x", "GET /\r\nHost: x", "GET  / HTTP/1.1\r\nHost: x"),
            *(
                "GET / HTTP/1.1",
                "GET / HTTP/1.1\r\nHost: x\r\nHost: x",
                "G\0T / HTTP/1.1\r\nHost: x",
            ),
            *("GET / HTTP/1.1\r\nHost: x\r\n folded", "GET / HTTP/1.1\r\nHost : x", "\0"),
            *("GET / HTTP/1.1\r\nHost: x\nX: y", "GET / HTTP/1.1\r\nHost: x\rX: y"),
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +5",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked",
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked",
        ],
    )
    def test_may_have_a_head_that_nobody_can_read(self, head: str) -> None:
        follower = f"GET / HTTP/1.1\r\n{HOST}\r\n"
        assert read(f"{head}\r\n\r\n", follower) == ["unreadable"]

    def test_may_ask_for_the_end(self) -> None:
        asked = f"GET / HTTP/1.1\r\n{HOST}Connection: x, Close\r\n\r\n"
        old, kept = "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        found = read_requests((asked + old + kept).encode())
        assert [each.is_last for each in found] == [True, True, False]


class TestAnswers:
    EXPECTING = f"{HOST}Expect: 100-continue\r\n\r\n"
    ASKED = read_requests(f"HEAD / HTTP/1.1\r\n{HOST}\r\nGET / HTTP/1.1\r\n{EXPECTING}".encode())
    HEAD, GET = ASKED

    def test_follow_each_other(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
        first, second = read_answers(
            head + b"HTTP/1.1 100 Continue\r\n\r\n" + head + b"uploads", self.ASKED
        )
        assert (first.status, first.body, first.whole, first.invited) == (200, b"", True, False)
        assert (second.body, second.whole, second.invited) == (b"uploads", False, True)

    @pytest.mark.parametrize(
        "received",
        [
            *("nonsense", "HTTP/1.1 200 OK\nX: y\r\n\r\n", "HTTP/2 200 OK\r\n\r\n"),
            *("HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx"),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Injected: yes\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: \xe4\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nUpload-Offset: 1\r\nUpload-Offset: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\nrest",
            "HTTP/1.1 102 Processing\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n" * 2,
            "HTTP/1.1 204 No Content\r\n\r\n" * 2,
        ],
    )
    def test_that_are_not_proper_are_found(self, received: str) -> None:
        with pytest.raises(Violation):
            read_answers(received.encode("latin-1"), [self.GET])

    def test_nobody_is_invited_who_does_not_wait(self) -> None:
        with pytest.raises(Violation, match="was not asked for"):
            read_answers(b"HTTP/1.1 100 Continue\r\n\r\n", [self.HEAD])


class TestLedger:
    def test_answers_leave_one_possibility(self) -> None:
        entry = Entry("/files/a")
        entry.append(0, b"hello")
        entry.observe(5)
        entry.check(b"hello")
        assert entry.content == b"hello"

    @pytest.mark.parametrize("offset", [4, 6])
    def test_an_offset_that_shrinks_or_runs_ahead_is_found(self, offset: int) -> None:
        entry = Entry("/files/a", possible=(Possible(5, b"hello"),))
        with pytest.raises(Violation, match="which cannot be"):
            entry.observe(offset)

    def test_other_bytes_are_found(self) -> None:
        entry = Entry("/files/a", possible=(Possible(5, b"hello"),))
        with pytest.raises(Violation, match="other bytes"):
            entry.check(b"hellp")

    def test_what_was_not_answered_may_be_there_or_not(self) -> None:
        entry = Entry("/files/a", possible=(Possible(5, b"hello"),))
        entry.may_append(5, b" world")
        entry.may_append(11, b"!")
        assert entry.content is None
        for held in (b"hello", b"hello wo", b"hello world!"):
            entry.check(held)
        entry.observe(8)
        assert entry.content == b"hello wo"

    def test_a_final_upload_holds_its_parts(self) -> None:
        ledger = Ledger()
        for name, content in (("a", b"hel"), ("b", b"lo")):
            ledger.add(Entry(f"/files/{name}", 3, (Possible(len(content), content),)))
        ledger.add_final("/files/c", ("a", "b"))
        final = ledger.entries["c"]
        assert final.content is None
        ledger.entries["b"].append(2, b"!")
        ledger.settle(final)
        assert final.content == b"hello!"[:3] + b"lo!"
