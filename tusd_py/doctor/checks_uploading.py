"""Checks an upload's way from creation to its last byte: POST, HEAD, PATCH, and a cut between."""

import time
from typing import Final

from tusd_py.doctor.conversation import Answer
from tusd_py.doctor.diagnosis import described, finding_of
from tusd_py.doctor.location import finding_about
from tusd_py.doctor.verdict import CannotExamine, Finding, Result, Trouble
from tusd_py.doctor.visit import OCTETS, Visit, content

#: Bytes of the first upload, of which half is sent at first.
_FIRST: Final = 2048
#: Bytes of the interrupted upload: more than a proxy passes on by the way.
_INTERRUPTED: Final = 512 * 1024
_METADATA: Final = "filename ZG9jdG9yLmJpbg==,doctor"
#: Seconds for what was sent to arrive before the cut, and for the cut to be noticed after it.
_BEFORE_CUT: Final = 0.5
_AFTER_CUT: Final = 3.0


def check_creation(visit: Visit) -> Result:
    """Create an upload, and look whether Location leads to it."""
    headers = {"Upload-Length": str(_FIRST), "Upload-Metadata": _METADATA}
    answer = visit.ask("POST", visit.target.url, headers)
    _require_tus(visit, answer)
    url = visit.located(visit.granted("POST", answer))
    finding = finding_about(visit, url, answer.get("Location") or "")
    if finding is not None and finding.code == "location_dead":
        raise Trouble.of(finding)
    visit.able.add("POST")
    if finding is not None:
        visit.correct_locations()
        url = visit.expected(url)
    visit.upload = url
    findings = [finding] if finding else []
    if answer.status != 201:
        text = f"A creation got {described(answer)}; it should be 201, which some clients need."
        findings.append(Finding("status_changed", text))
    return Result(f"Location: {answer.get('Location')}", tuple(findings))


def _require_tus(visit: Visit, created: Answer) -> None:
    """Go on only where a creation was answered by a tus server, or by somebody in front of one."""
    if created.status in {401, 407}:
        raise CannotExamine(
            "unauthorized",
            f"{visit.target.url} wants to know who you are (status {created.status}); give "
            "credentials with -H 'Authorization: ...'",
        )
    is_no_tus = created.get("Tus-Resumable") is None and visit.extensions is None
    if is_no_tus and (created.is_success or created.status in {404, 405, 410, 501}):
        if created.is_success and created.get("Location"):
            return
        raise CannotExamine(
            "not_a_tus_server",
            f"{visit.target.url} is no tus server (OPTIONS and POST were answered without a word "
            "of tus); check whether the path, often /files/, is right",
        )


def check_head(visit: Visit) -> Result:
    """Ask with HEAD where to go on, and look whether all headers arrive."""
    answer = visit.ask_patiently("HEAD", visit.upload, {"Accept-Encoding": "gzip, br"})
    if not answer.is_success or answer.number("Upload-Offset") is None:
        raise Trouble.of(_head_finding(visit, answer))
    visit.able.add("HEAD")
    findings = []
    lost = [name for name in ("Upload-Length", "Tus-Resumable") if answer.get(name) is None]
    if lost:
        findings.append(Finding("headers_lost", f"HEAD was answered without {', '.join(lost)}."))
    if answer.get("Upload-Metadata") is None:
        findings.append(Finding("headers_lost", "HEAD was answered without Upload-Metadata."))
    if "no-store" not in answer.items("Cache-Control"):
        seen = answer.get("Cache-Control") or "missing"
        findings.append(Finding("head_cacheable", f"Cache-Control is {seen}."))
    if answer.get("Content-Encoding") is not None:
        text = f"HEAD was answered with Content-Encoding: {answer.get('Content-Encoding')}."
        findings.append(Finding("head_compressed", text))
    return Result(f"offset {answer.get('Upload-Offset')}", tuple(findings))


def _head_finding(visit: Visit, answer: Answer) -> Finding:
    """Return why HEAD does not tell the offset, which an empty PATCH may tell."""
    if answer.is_success or answer.status in {404, 410}:
        patched = visit.append(visit.upload, 0, b"")
        if patched.is_success and patched.number("Upload-Offset") is not None:
            text = (
                f"HEAD got {described(answer)} without Upload-Offset, and PATCH finds the upload."
            )
            return Finding("head_converted", text)
    if answer.is_success:
        return Finding("headers_lost", "HEAD was answered without Upload-Offset.")
    return finding_of("HEAD", answer)


def check_patch(visit: Visit) -> Result:
    """Send a part with PATCH; then HEAD must tell the new offset, and no cache the old one."""
    half = _FIRST // 2
    answer = visit.granted("PATCH", visit.append(visit.upload, 0, content(half)))
    visit.able.add("PATCH")
    findings = []
    if answer.get("Upload-Offset") is None:
        findings.append(Finding("headers_lost", "PATCH was answered without Upload-Offset."))
    if answer.status != 204:
        findings.append(
            Finding("status_changed", f"PATCH got {described(answer)}; it should be 204.")
        )
    if "HEAD" in visit.able:
        offset = visit.offset(visit.upload)
        if offset != half:
            visit.able.discard("HEAD")
            text = f"{half} bytes were sent and accepted, and HEAD says {offset}."
            findings.append(Finding("head_cached", text))
    return Result(f"{half} bytes accepted", tuple(findings))


def check_interruption(visit: Visit) -> Result:
    """Send half of an upload, cut the connection, ask HEAD, and send the rest."""
    url = visit.upload_of(_INTERRUPTED)
    sent = _INTERRUPTED // 2
    cut_in_the_middle(visit, url, sent)
    offset = settled_offset(visit, url, sent)
    if offset == 0:
        raise Trouble(
            "buffered",
            f"{sent:,} bytes were sent before the connection was cut; HEAD says offset 0.",
        )
    rest = content(_INTERRUPTED)[offset:]
    visit.granted("PATCH", visit.append(url, offset, rest))
    end = visit.offset(url)
    if end != _INTERRUPTED:
        text = f"All {_INTERRUPTED:,} bytes were accepted, and HEAD says {end:,}."
        raise Trouble("unexpected", text)
    visit.able.add("resume")
    return Result(f"{offset:,} of {sent:,} bytes were kept, and the upload was resumed")


def cut_in_the_middle(visit: Visit, url: str, sent: int, *, chunked: bool = False) -> None:
    """
    Begin to send twice as much as *sent*, and cut the connection.

    Raises:
        Trouble: The PATCH was answered before it was whole.
    """
    length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(2 * sent)}
    with visit.connect(url) as conversation:
        visit.say(conversation, "PATCH", url, {**OCTETS, "Upload-Offset": "0", **length})
        conversation.send(content(sent), chunked=chunked)
        heard = conversation.hear(_BEFORE_CUT)
        if heard is not None and heard.status >= 200:
            raise Trouble.of(finding_of("PATCH", heard))


def settled_offset(visit: Visit, url: str, sent: int) -> int:
    """Return the offset once the server has noticed the cut, or had the time to."""
    end = time.monotonic() + _AFTER_CUT
    while (offset := visit.offset(url)) < sent and time.monotonic() < end:
        time.sleep(visit.deadline.within(0.25))
    return offset
