"""Checks whether clients get in at all: certificate, discovery, and connections that last."""

import ssl
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from tusd_py.doctor.conversation import Conversation, Unanswered, unreachable
from tusd_py.doctor.diagnosis import described, finding_of
from tusd_py.doctor.target import port_of, trusting_context
from tusd_py.doctor.verdict import Finding, Result, Skip, Trouble
from tusd_py.doctor.visit import Visit

_DAY: Final = 86_400
#: What OpenSSL says of certificates that are not valid at this time, or are for another host.
_EXPIRED: Final = {9, 10}
_OTHER_NAME: Final = {62, 64}
_SELF_SIGNED: Final = {18, 19}


def check_certificate(visit: Visit) -> Result:
    """Connect as clients do, who take no certificate that nobody vouches for."""
    parts = urlsplit(visit.target.url)
    if parts.scheme != "https":
        raise Skip("the URL is http: whoever is on the way can read and change what is sent")
    try:
        with Conversation(
            parts.hostname or "", port_of(parts), trusting_context(), visit.deadline
        ) as conversation:
            certificate = conversation.certificate()
    except ssl.SSLCertVerificationError as error:
        return Result(
            "the certificate was not accepted", (_certificate_finding(error, parts.hostname),)
        )
    except OSError as error:
        raise unreachable(error) from error
    days = _days_left(certificate)
    if days is not None and days < 7:
        text = f"The certificate expires in {days:.0f} days."
        return Result("accepted", (Finding("certificate_expires_soon", text),))
    return Result("accepted" if days is None else f"accepted; valid for {days:.0f} days")


def _certificate_finding(error: ssl.SSLCertVerificationError, host: str | None) -> Finding:
    said = error.verify_message.rstrip(".")
    if error.verify_code in _EXPIRED:
        return Finding("certificate_expired", f"The certificate is not valid now: {said}.")
    if error.verify_code in _OTHER_NAME:
        return Finding("certificate_name", f"The certificate is not for {host}: {said}.")
    text = f"The certificate is not trusted: {said}."
    if error.verify_code in _SELF_SIGNED:
        text = f"The certificate is self-made: {said}."
    elif error.verify_code == 20:
        text += " The server may have left out the intermediate certificates."
    return Finding("certificate_untrusted", text)


def _days_left(certificate: Mapping[str, Any]) -> float | None:
    until = certificate.get("notAfter")
    if not isinstance(until, str):
        return None
    return (ssl.cert_time_to_seconds(until) - time.time()) / _DAY


def check_discovery(visit: Visit) -> Result:
    """Ask with OPTIONS what the server can do."""
    url = visit.target.url
    answer = visit.ask("OPTIONS", url)
    if 300 <= answer.status < 400:
        target = urljoin(url, answer.get("Location") or "")
        raise Trouble("redirected", f"{url} redirects to {target} (status {answer.status}).")
    if "1.0.0" in answer.items("Tus-Version"):
        visit.extensions = frozenset(answer.items("Tus-Extension"))
        visit.algorithms = frozenset(answer.items("Tus-Checksum-Algorithm"))
        visit.max_size = answer.number("Tus-Max-Size")
        return Result(f"tus 1.0.0 with {', '.join(sorted(visit.extensions)) or 'no extension'}")
    if answer.is_success:
        raise Trouble("options_swallowed", f"OPTIONS got {described(answer)} without Tus-Version.")
    raise Trouble.of(finding_of("OPTIONS", answer))


def check_keep_alive(visit: Visit) -> Result:
    """Make two requests on one connection."""
    url = visit.upload
    with visit.connect(url) as conversation:
        visit.say(conversation, "HEAD", url)
        first = conversation.answer(to="HEAD")
        if not first.keeps_open:
            raise Trouble("no_keep_alive", "The answer says that the connection is closed.")
        visit.say(conversation, "HEAD", url)
        try:
            conversation.answer(to="HEAD")
        except Unanswered as error:
            raise Trouble("no_keep_alive", f"On a second request {error}.") from error
    return Result("two requests on one connection")
