"""Names what is behind an answer that no check wanted."""

from tusd_py.doctor.conversation import Answer
from tusd_py.doctor.verdict import Finding

_CODES = {
    401: "method_blocked",
    403: "method_blocked",
    405: "method_blocked",
    408: "body_timeout",
    411: "chunked_refused",
    412: "request_headers_lost",
    413: "body_cap",
    415: "request_headers_lost",
    417: "expect_refused",
    501: "method_blocked",
    502: "gateway_down",
    504: "gateway_timeout",
}
_HINTS = {
    412: "as if Tus-Resumable were missing",
    415: "as if Content-Type were missing",
}


def finding_of(method: str, answer: Answer) -> Finding:
    """Return what is wrong where *method* was granted and got *answer*."""
    status = answer.status
    if 300 <= status < 400:
        return Finding("redirected", f"{method} is redirected to {answer.get('Location')}.")
    code = _CODES.get(status, "unexpected")
    if code == "method_blocked" and method in {"HEAD", "OPTIONS"} and status == 401:
        code = "unexpected"
    if status == 503 and answer.get("Tus-Resumable") is None:
        code = "gateway_down"
    hint = f", {_HINTS[status]}" if status in _HINTS else ""
    return Finding(code, f"{method} got {described(answer)}{hint}.")


def described(answer: Answer) -> str:
    """Return the status, and whose word it seems to be."""
    if answer.get("Tus-Resumable") is not None:
        return f"status {answer.status} (the tus server's own)"
    server = answer.get("Server")
    return f"status {answer.status} (from {server})" if server else f"status {answer.status}"
