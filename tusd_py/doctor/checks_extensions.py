"""Checks what the server announces: checksums, deferred lengths, and DELETE; and the override."""

import base64
import hashlib
from typing import Final

from tusd_py.doctor.diagnosis import described, finding_of
from tusd_py.doctor.verdict import Finding, Result, Skip, Trouble
from tusd_py.doctor.visit import Visit, content

_SIZE: Final = 4096
_OVERRIDE: Final = "X-HTTP-Method-Override"


def check_checksum(visit: Visit) -> Result:
    """Send a chunk with a wrong checksum, which must be refused, and with the right one."""
    visit.require("checksum")
    known = ("sha1", "sha256", "sha512", "md5")
    algorithm = next((name for name in known if name in visit.algorithms), None)
    if algorithm is None:
        raise Skip("the server announces no checksum that is known here")
    url = visit.upload_of(_SIZE)
    data = content(_SIZE)
    wrong = visit.append(url, 0, data, _checksum(algorithm, data[::-1]))
    if wrong.is_success:
        raise Trouble("checksum_ignored", f"A wrong {algorithm} got {described(wrong)}.")
    findings = []
    if wrong.status != 460:
        text = f"A wrong {algorithm} got {described(wrong)}; it should be 460."
        findings.append(Finding("status_changed", text))
    right = visit.append(url, 0, data, _checksum(algorithm, data))
    if right.status == 460:
        raise Trouble("data_altered", f"The right {algorithm} got {described(right)}.")
    visit.granted("PATCH", right)
    return Result(f"{algorithm}: the right one is accepted, a wrong one refused", tuple(findings))


def _checksum(algorithm: str, data: bytes) -> dict[str, str]:
    digest = hashlib.new(algorithm, data, usedforsecurity=False).digest()
    return {"Upload-Checksum": f"{algorithm} {base64.b64encode(digest).decode()}"}


def check_deferred_length(visit: Visit) -> Result:
    """Create an upload without a length, and declare that with the data."""
    visit.require("creation-defer-length")
    _, url = visit.create({"Upload-Defer-Length": "1"})
    findings = []
    if "HEAD" in visit.able:
        before = visit.granted("HEAD", visit.ask_patiently("HEAD", url))
        if before.get("Upload-Defer-Length") != "1":
            text = "HEAD of an upload without a length was answered without Upload-Defer-Length."
            findings.append(Finding("headers_lost", text))
    declared = {"Upload-Length": str(_SIZE)}
    visit.granted("PATCH", visit.append(url, 0, content(_SIZE), declared))
    if "HEAD" in visit.able:
        after = visit.granted("HEAD", visit.ask_patiently("HEAD", url))
        if after.get("Upload-Defer-Length") is not None:
            text = "PATCH declared a length, and HEAD still says Upload-Defer-Length."
            findings.append(Finding("request_headers_lost", text))
    return Result("a length was declared later", tuple(findings))


def check_override(visit: Visit) -> Result:
    """Send POST with X-HTTP-Method-Override in place of PATCH, HEAD and DELETE."""
    url = visit.upload_of(_SIZE)
    patched = visit.append(url, 0, content(_SIZE), {_OVERRIDE: "PATCH"}, method="POST")
    # Some servers take a POST for a creation, wherever it comes.
    lost = [] if patched.is_success and patched.status != 201 else ["PATCH"]
    if "HEAD" in visit.able:
        asked = visit.ask_patiently("POST", url, {_OVERRIDE: "HEAD"})
        lost += [] if asked.number("Upload-Offset") is not None else ["HEAD"]
    if "termination" in (visit.extensions or ()):
        deleted = visit.ask_patiently("POST", url, {_OVERRIDE: "DELETE"})
        lost += [] if deleted.is_success else ["DELETE"]
        if deleted.is_success:
            visit.left.remove(url)
    if lost:
        text = f"POST with {_OVERRIDE} was not taken for {', '.join(lost)}."
        raise Trouble("override_lost", text)
    return Result("POST was taken for what the header says")


def check_refusal(visit: Visit) -> Result:
    """Send a PATCH with a wrong offset, for which clients need to see 409."""
    answer = visit.append(visit.upload_of(_SIZE), _SIZE // 2, content(_SIZE // 2))
    if answer.status != 409:
        text = f"A PATCH with a wrong offset got {described(answer)}; it should be 409."
        raise Trouble("status_changed", text)
    return Result("a wrong offset gets 409")


def check_termination(visit: Visit) -> Result:
    """Terminate an upload with DELETE."""
    visit.require("termination")
    url = visit.upload_of(_SIZE)
    answer = visit.ask_patiently("DELETE", url)
    if not answer.is_success:
        raise Trouble.of(finding_of("DELETE", answer))
    findings = []
    if answer.status != 204:
        text = f"DELETE got {described(answer)}; tus-js-client takes 204 alone for success."
        findings.append(Finding("delete_status", text))
    if "HEAD" in visit.able:
        after = visit.ask_patiently("HEAD", url)
        if after.is_success:
            text = f"DELETE got {described(answer)}, and HEAD still finds the upload."
            raise Trouble("delete_lost", text)
    visit.left.remove(url)
    return Result("an upload was terminated", tuple(findings))
