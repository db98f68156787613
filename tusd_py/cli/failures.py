"""Says in a line what went wrong between client and server, and what to do."""

import json
from typing import Any

import requests
from tusclient.exceptions import TusCommunicationError

from tusd_py.cli.output import Failure

_REFUSALS = {
    401: ("unauthorized", "wants to know who you are; give credentials with --header"),
    403: ("forbidden", "does not let you do this; check the credentials given with --header"),
    404: ("upload_gone", "does not know this upload any more; upload the file again"),
    407: ("proxy_unauthorized", "is behind a proxy that wants credentials; see HTTPS_PROXY"),
    410: ("upload_gone", "has let this upload expire; upload the file again"),
    413: ("upload_too_large", "takes no file as large as this; its max_size says how much"),
    423: ("upload_busy", "has another request for this upload; try again in a moment"),
    429: ("too_many_requests", "has had too many requests; try again later"),
    460: ("checksum_mismatch", "got another chunk than was sent; something on the way alters data"),
    507: ("storage_full", "has no room for this file; its operator can make some"),
}


def failure_of(error: TusCommunicationError, url: str) -> Failure:
    """Return *error*, which came of a request to *url*, as a line for people."""
    if error.status_code is None:
        return _unanswered(error.__cause__, url)
    status = int(error.status_code)
    said = _what_was_said(error.response_content)
    if status in _REFUSALS:
        code, meaning = _REFUSALS[status]
    elif status >= 500:
        code, meaning = "server_error", "has trouble of its own; try again later"
    elif 200 <= status < 300:
        code, meaning = "not_a_tus_server", "left out what tus requires in its answer"
    else:
        code, meaning = f"http_{status}", "refused"
    said = f": {said}" if said else ""
    return Failure(code, f"the server {meaning} (status {status}{said})")


def not_a_tus_server(url: str, status: int) -> Failure:
    """Return what to say of a *url* that answers, but not in tus."""
    path = "the path, often /files/, is right"
    if not url.endswith("/"):
        path = f"it should be {url}/, or {path}"
    return Failure(
        "not_a_tus_server",
        f"{url} is no tus server (OPTIONS got status {status} without Tus-Version: 1.0.0); "
        f"check whether {path}",
    )


def _unanswered(error: BaseException | None, url: str) -> Failure:
    if isinstance(error, requests.exceptions.SSLError):
        return Failure("tls_error", f"{url} cannot be trusted: {_innermost_reason(error)}")
    if isinstance(error, requests.Timeout):
        return Failure("timeout", f"{url} did not answer in time; try again later")
    if isinstance(error, requests.ConnectionError):
        return Failure(
            "unreachable",
            f"cannot reach {url} ({_innermost_reason(error)}); is the server running there?",
        )
    return Failure("request_failed", f"cannot ask {url}: {error}")


def _innermost_reason(error: BaseException | None) -> str:
    """Return what the system said below all that libraries wrapped around it."""
    reason = "connection lost"
    while error is not None:
        strerror = getattr(error, "strerror", None) or getattr(error, "verify_message", None)
        if strerror:
            reason = str(strerror).lower()
        error = error.__cause__ or error.__context__
    return reason


def _what_was_said(content: Any) -> str:
    """Return the server's own reason from a problem document or a short text, on one line."""
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
    try:
        document = json.loads(text)
    except ValueError:
        if "<" in text:
            return ""  # a page for browsers
    else:
        if isinstance(document, dict):
            text = str(document.get("detail") or document.get("title") or "")
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:197]}..."
