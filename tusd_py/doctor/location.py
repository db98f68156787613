"""Tells whether Location leads to the upload that was created, and else what it lost on its way."""

import ipaddress
from urllib.parse import urlsplit

from tusd_py.doctor.conversation import Answer, Unanswered
from tusd_py.doctor.target import origin_of
from tusd_py.doctor.verdict import Finding
from tusd_py.doctor.visit import Visit


def finding_about(visit: Visit, url: str, location: str) -> Finding | None:
    """Return what is wrong with *location*, which clients resolve to *url*; None for nothing."""
    if origin_of(url) != origin_of(visit.target.url):
        return _finding_about_origin(visit, url, location)
    answers = _asked_there(visit, url)
    if any(answer.is_success for answer in answers):
        return None
    expected = visit.expected(url)
    if expected != url and _leads_to_upload(visit, expected):
        text = f"Location is {location}, and the upload is at {urlsplit(expected).path}."
        return Finding("location_prefix", text)
    # Blocked is not missing: that says nothing of where the upload is.
    if any(answer.status not in {404, 410, 502, 503} for answer in answers):
        return None
    return Finding("location_dead", f"Location is {location}, where HEAD and PATCH find nothing.")


def _finding_about_origin(visit: Visit, url: str, location: str) -> Finding | None:
    scheme, host, port = origin_of(visit.target.url)
    to_scheme, to_host, to_port = origin_of(url)
    if host == to_host and scheme == to_scheme:
        text = f"Location is {location}: its port is {to_port}, and clients use {port}."
        return Finding("location_port", text)
    is_downgrade = (scheme, to_scheme) == ("https", "http")
    if is_downgrade or (host == to_host and not _leads_to_upload(visit, url)):
        text = f"Location is {location}: {to_scheme}, where clients use {scheme}."
        return Finding("location_scheme", text)
    if host == to_host:
        return None
    if not _is_internal(to_host) and _leads_to_upload(visit, url):
        return None  # Another host may well be meant.
    kind = "the internal name " if _is_internal(to_host) else ""
    text = f"Location is {location}: it leads to {kind}{to_host}, and not to {host}."
    return Finding("location_host", text)


def _is_internal(host: str) -> bool:
    """Tell whether *host* means something else, or nothing, where clients are."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))


def _leads_to_upload(visit: Visit, url: str) -> bool:
    """Tell whether an upload is at *url*."""
    return any(answer.is_success for answer in _asked_there(visit, url))


def _asked_there(visit: Visit, url: str) -> list[Answer]:
    """Return what HEAD got at *url*; where that is no success, PATCH can tell as well."""
    try:
        head = visit.ask_patiently("HEAD", url)
        return [head] if head.is_success else [head, visit.append(url, 0, b"")]
    except Unanswered:
        return []
