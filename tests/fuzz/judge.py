"""Holds answers against requests, and notes in the ledger what they mean for the uploads."""

import re
from collections.abc import Sequence
from itertools import zip_longest

from tests.fuzz.answers import Answer, Violation
from tests.fuzz.demands import demanded, is_plain
from tests.fuzz.framing import Sent
from tests.fuzz.ledger import Entry, Ledger

#: What some servers under test put before every path in Location.
PUBLIC_URL = "https://uploads.example"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: Paths of our routes; what aiohttp answers by itself has no X-Request-ID.
_OURS = re.compile(r"/files/?|/files/[0-9a-f]+")
#: What may be kept of a body that was not taken whole.
_MAY_KEEP = {"invalid_body", "upload_too_large", "displaced", "lock_timeout", ""}


def upload_id_in(target: str) -> str | None:
    """Return the id at the end of a target's path, however the rest of it is written."""
    found = re.search(r"/([0-9a-f]{32})$", re.split(r"[?#]", target)[0])
    return None if found is None else found[1]


def path_in(answer: Answer) -> str:
    """Return the path of the upload that an answer says it created."""
    return (answer.get("location") or "").removeprefix(PUBLIC_URL)


def judge(
    requests: Sequence[Sent], answers: Sequence[Answer], ledger: Ledger, *, left_early: bool
) -> None:
    """
    Go through a connection that is over.

    Args:
        requests: What was sent on it.
        answers: What came back.
        ledger: What the client knew before, and knows afterwards.
        left_early: Whether the client broke it off, so that nobody owes it any answer.

    Raises:
        Violation: The server did what it must never do.
    """
    proper = not left_early
    for request, answer in zip_longest(requests, answers):
        plain = is_plain(request)
        if answer is None:
            if proper and plain:
                raise Violation(f"no answer to a proper {request.method} after proper others")
        else:
            _check(request, answer, left_early=left_early)
            wanted = demanded(request, ledger) if plain else None
            if wanted is not None and answer.status not in wanted:
                raise Violation(f"{request.method} got {answer.status} rather than {wanted}")
        for method in _methods_of(request):
            _note(method, request, answer, ledger)
        proper = proper and plain
    _check_the_last(requests, answers)


def _check(request: Sent, answer: Answer, *, left_early: bool) -> None:
    if not (answer.whole or left_early):
        raise Violation(f"an answer broken off after {len(answer.body)} bytes")
    if answer.status >= 500 and not _is_explained(request, answer):
        raise Violation(f"a {answer.status}: {answer.body[:500]!r}")
    if answer.status < 300 and _must_be_refused(request):
        raise Violation(f"{answer.status} for a request that is {request.standing}")
    if b"Traceback" in answer.body or b'File "' in answer.body:
        raise Violation("a traceback in an answer")
    _check_name(request, answer)


def _must_be_refused(request: Sent) -> bool:
    """Tell whether nothing may be done for what came of *request*."""
    if request.standing == "whole":
        return False
    if request.standing == "unreadable":
        return request.method not in ("OPTIONS", "GET", "HEAD")
    return not request.method or bool(_methods_of(request) & {"PATCH", "POST"})


def _is_explained(request: Sent, answer: Answer) -> bool:
    """Tell whether the request itself asked for this 5xx."""
    if answer.status == 505:
        return request.reason in ("version", "request line")
    return answer.status == 501 and request.reason.startswith("transfer coding")


def _check_name(request: Sent, answer: Answer) -> None:
    """Make sure that the answer is to this request, and to no other."""
    given, told = request.get("x-request-id") or "", answer.get("x-request-id")
    if not request.method:
        return
    if told is None:
        unsure = request.doubtful or request.standing == "unreadable"
        if not unsure and _OURS.fullmatch(request.target):
            raise Violation(f"a {answer.status} that does not come from our routes")
    elif _REQUEST_ID.fullmatch(given):
        if told != given:
            raise Violation(f"the answer to {given} is named {told}")
    elif not re.fullmatch("[0-9a-f]{16}", told):
        raise Violation(f"a request without a name was taken for {told}")


def _check_the_last(requests: Sequence[Sent], answers: Sequence[Answer]) -> None:
    """Make sure that nothing was served after what ends a connection."""
    for number, (request, answer) in enumerate(zip(requests, answers, strict=False), start=1):
        if (request.is_last or answer.is_last) and number < len(answers):
            raise Violation(f"answer {number + 1} after one that closes the connection")


def _methods_of(request: Sent) -> set[str]:
    """Return what the request may have been taken for."""
    if not request.method:
        return set()
    overrides = request.all("x-http-method-override")
    if not overrides:
        return {request.method}
    return {overrides[0].upper()} if len(overrides) == 1 else set()


def _note(method: str, request: Sent, answer: Answer | None, ledger: Ledger) -> None:
    """Note what the request did to the uploads, or may have done."""
    upload_id = upload_id_in(request.target)
    entry = None if upload_id is None else ledger.find(upload_id)
    if method == "POST":
        _note_creation(request, answer, ledger)
    elif entry is None:
        done = answer is not None and answer.status < 300 and answer.get("x-request-id")
        if answer is not None and done and method in ("HEAD", "PATCH", "DELETE"):
            raise Violation(f"{method} got {answer.status} for what was never created")
    elif method == "PATCH":
        _note_append(entry, request, answer)
    elif method == "DELETE":
        _note_termination(entry, request, answer)
    elif answer is not None and answer.status in (200, 206):
        if method == "HEAD" and answer.offset is not None:
            _must_be_there(entry, answer)
            entry.observe(answer.offset)
        elif method == "GET":
            _must_be_there(entry, answer)
            _check_download(entry, answer)


def _note_creation(request: Sent, answer: Answer | None, ledger: Ledger) -> None:
    if answer is None:
        ledger.unheard += 1
    if answer is None or answer.status != 201:
        return
    path = path_in(answer)
    upload_id = upload_id_in(path)
    concat, length = request.get("upload-concat") or "", request.get("upload-length")
    if upload_id is None or not re.fullmatch("[0-9]+", length or "0"):
        raise Violation(f"an upload of {length} bytes at {path!r}")
    if concat.startswith("final"):
        if ledger.find(upload_id) is None:
            urls = concat.partition(";")[2].split()
            ledger.add_final(path, tuple(upload_id_in(url) or "" for url in urls))
        return
    if ledger.find(upload_id) is not None:
        raise Violation(f"{path} was created twice")
    entry = Entry(path, None if length is None else int(length))
    entry.kind = "partial" if concat == "partial" else "ordinary"
    if answer.offset is not None:
        entry.append(0, request.body)
        entry.observe(answer.offset)
    ledger.add(entry)


def _note_append(entry: Entry, request: Sent, answer: Answer | None) -> None:
    offset = request.get("upload-offset") or ""
    if answer is not None and answer.offset is not None and answer.status == 409:
        entry.observe(answer.offset)
    if not re.fullmatch("[0-9]{1,19}", offset):
        if answer is not None and answer.status < 300:
            raise Violation(f"a PATCH at {offset!r} got {answer.status}")
        return
    if answer is None:
        entry.may_append(int(offset), request.body)
        entry.may_declare(request.get("upload-length"))
    elif answer.status == 204:
        _must_be_there(entry, answer)
        entry.append(int(offset), request.body)
        if answer.offset is None:
            raise Violation("a PATCH was answered without an offset")
        entry.observe(answer.offset)
        entry.declare(request.get("upload-length"))
    elif answer.status in (400, 413, 423) and answer.code in _MAY_KEEP:
        entry.may_append(int(offset), request.body)
        entry.may_declare(request.get("upload-length"))


def _note_termination(entry: Entry, request: Sent, answer: Answer | None) -> None:
    if answer is None and entry.standing == "there":
        entry.standing = "perhaps"
    elif answer is not None and answer.status == 204:
        _must_be_there(entry, answer)
        entry.standing = "terminated"


def _must_be_there(entry: Entry, answer: Answer) -> None:
    if entry.standing not in ("there", "perhaps"):
        raise Violation(f"{answer.status} for {entry}")


def _check_download(entry: Entry, answer: Answer) -> None:
    if answer.status == 200 and answer.whole:
        entry.check(answer.body)
    elif answer.status == 206 and answer.whole:
        found = re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)", answer.get("content-range") or "")
        if found is None:
            raise Violation(f"a 206 of {answer.get('content-range')!r}")
        content = entry.content
        if content is not None and content[int(found[1]) : int(found[2]) + 1] != answer.body:
            raise Violation(f"a 206 with other bytes than {entry} has")
