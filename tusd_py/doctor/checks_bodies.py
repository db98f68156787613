"""Checks what happens to bodies: large ones, chunked ones, slow ones, and those that ask first."""

import time
from typing import Final

from tusd_py.doctor.checks_uploading import cut_in_the_middle, settled_offset
from tusd_py.doctor.conversation import Answer, Unanswered
from tusd_py.doctor.diagnosis import described, finding_of
from tusd_py.doctor.verdict import Finding, Result, Skip, Trouble
from tusd_py.doctor.visit import OCTETS, Visit, content

_MIB: Final = 2**20
#: A byte more than nginx takes unless told otherwise. So much is sent.
_OVER_A_MEGABYTE: Final = _MIB + 1
#: What is only announced: some CDNs end at 100 MB. The largest is asked for first.
_ANNOUNCED: Final = (1024 * _MIB, 101 * _MIB, 64 * _MIB, 8 * _MIB)
#: Seconds within which a proxy that minds the length says so, or 100.
_VETO: Final = 1.5
#: Seconds to wait for 100, which curl gives one of.
_HUNDRED: Final = 2.0
_CHUNKED: Final = 256 * 1024
_SMALL: Final = 32 * 1024


def check_body_size(visit: Visit) -> Result:
    """Send more than 1 MB in one request, and announce larger ones without sending them."""
    if visit.max_size is not None and visit.max_size < _OVER_A_MEGABYTE:
        raise Skip(f"the server takes uploads of {visit.max_size:,} bytes at most")
    url = visit.upload_of(_OVER_A_MEGABYTE)
    with visit.connect(url) as conversation:
        headers = {"Content-Length": str(_OVER_A_MEGABYTE), "Expect": "100-continue"}
        visit.say(conversation, "PATCH", url, {**OCTETS, "Upload-Offset": "0", **headers})
        answer = conversation.hear(_VETO)
        if answer is None or answer.status < 200:
            conversation.send(content(_OVER_A_MEGABYTE))
            answer = conversation.answer()
    if answer.status == 413:
        text = f"A PATCH of {_OVER_A_MEGABYTE:,} bytes got {described(answer)}."
        raise Trouble("body_cap", text)
    if answer.status != 417:  # That is for the check of Expect to say.
        visit.granted("PATCH", answer)
    return _announced(visit)


def _announced(visit: Visit) -> Result:
    """Find the largest body that nobody refuses, as far as its announcement tells."""
    refused: tuple[int, Answer] | None = None
    passing = _OVER_A_MEGABYTE
    for size in _ANNOUNCED:
        url = _upload_for(visit, size)
        if url is None:
            continue
        answer = _announce(visit, url, size)
        if answer is None:
            passing = size
            break
        if answer.status == 413:
            refused = size, answer
    passed = f"bodies of {_megabytes(passing)} get through"
    if refused is None:
        return Result(passed)
    text = (
        f"A PATCH of {_megabytes(refused[0])} got {described(refused[1])}; "
        f"one of {_megabytes(passing)} gets through."
    )
    code = "body_cap" if refused[0] <= 64 * _MIB else "body_cap_high"
    return Result(passed, (Finding(code, text),))


def _announce(visit: Visit, url: str, size: int) -> Answer | None:
    """Announce a body of *size* and return what refuses it; None where nothing does."""
    with visit.connect(url) as conversation:
        headers = {"Content-Length": str(size), "Expect": "100-continue"}
        visit.say(conversation, "PATCH", url, {**OCTETS, "Upload-Offset": "0", **headers})
        heard = conversation.hear(_VETO)
    return heard if heard is not None and heard.status >= 300 else None


def _upload_for(visit: Visit, size: int) -> str | None:
    """Return the URL of an upload for a body of *size*; None where the server has no room."""
    if visit.max_size is not None and size > visit.max_size:
        return None
    answer = visit.ask("POST", visit.target.url, _length_of(visit, size))
    return visit.located(answer) if answer.is_success else None


def _length_of(visit: Visit, size: int) -> dict[str, str]:
    """Return how to create an upload for a body of *size*, without taking so much room."""
    if "creation-defer-length" in (visit.extensions or ()):
        return {"Upload-Defer-Length": "1"}
    return {"Upload-Length": str(size)}


def _megabytes(size: int) -> str:
    return f"{size // _MIB} MiB" if size >= 2 * _MIB else f"{size:,} bytes"


def check_chunked(visit: Visit) -> Result:
    """Send a body without Content-Length; then half of one, and cut the connection."""
    url = visit.upload_of(_SMALL)
    with visit.connect(url) as conversation:
        headers = {**OCTETS, "Upload-Offset": "0", "Transfer-Encoding": "chunked"}
        visit.say(conversation, "PATCH", url, headers)
        conversation.send(content(_SMALL), chunked=True)
        conversation.send(b"0\r\n\r\n")
        answer = conversation.answer()
    if answer.status in {400, 411, 501}:
        text = f"A chunked PATCH got {described(answer)}."
        raise Trouble("chunked_refused", text)
    visit.granted("PATCH", answer)
    if "resume" not in visit.able:
        return Result(f"{_SMALL:,} bytes in chunks were accepted")
    url = visit.upload_of(2 * _CHUNKED)
    cut_in_the_middle(visit, url, _CHUNKED, chunked=True)
    offset = settled_offset(visit, url, _CHUNKED)
    if offset == 0:
        text = f"{_CHUNKED:,} bytes were sent in chunks before a cut; HEAD says offset 0."
        raise Trouble("chunked_buffered", text)
    return Result(f"accepted; {offset:,} of {_CHUNKED:,} bytes were kept after a cut")


def check_expectation(visit: Visit) -> Result:
    """Ask with Expect: 100-continue before a body is sent."""
    url = visit.upload_of(_SMALL)
    started = time.monotonic()
    with visit.connect(url) as conversation:
        headers = {"Content-Length": str(_SMALL), "Expect": "100-continue"}
        visit.say(conversation, "PATCH", url, {**OCTETS, "Upload-Offset": "0", **headers})
        heard = conversation.hear(_HUNDRED)
        waited = time.monotonic() - started
        if heard is None or heard.status < 200:
            conversation.send(content(_SMALL))
            visit.granted("PATCH", conversation.answer())
    if heard is None:
        raise Trouble("expect_ignored", f"There was no 100 within {_HUNDRED:.0f} seconds.")
    if heard.status >= 200:
        raise Trouble.of(finding_of("PATCH", heard))
    return Result(f"{heard.status} after {1000 * waited:.0f} ms")


def check_pause(visit: Visit) -> Result:
    """Pause in the middle of a body, and send the rest."""
    url = visit.upload_of(_SMALL)
    data = content(_SMALL)
    pause = visit.target.pause
    with visit.connect(url) as conversation:
        headers = {**OCTETS, "Upload-Offset": "0", "Content-Length": str(_SMALL)}
        visit.say(conversation, "PATCH", url, headers)
        conversation.send(data[: _SMALL // 2])
        started = time.monotonic()
        try:
            heard = conversation.hear(pause)
        except Unanswered as error:
            raise _cut_off(started, str(error)) from error
        if heard is not None and heard.status in {408, 504}:
            raise _cut_off(started, f"it got {described(heard)}")
        if heard is not None and heard.status >= 200:
            raise Trouble.of(finding_of("PATCH", heard))
        conversation.send(data[_SMALL // 2 :])
        visit.granted("PATCH", conversation.answer())
    return Result(f"a pause of {pause:.0f} s is borne")


def _cut_off(started: float, what: str) -> Trouble:
    seconds = time.monotonic() - started
    return Trouble("body_timeout", f"After {seconds:.1f} seconds without a byte {what}.")
