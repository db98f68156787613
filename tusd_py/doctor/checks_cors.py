"""Checks what browsers ask before and after a page of another origin uploads."""

from typing import Final

from tusd_py.doctor.conversation import Answer
from tusd_py.doctor.diagnosis import described, finding_of
from tusd_py.doctor.verdict import Finding, Result, Trouble
from tusd_py.doctor.visit import Visit

_ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"
#: What tus-js-client sends, whatever its options; extensions bring more.
_HEADERS: Final = (
    "content-type",
    "tus-resumable",
    "upload-length",
    "upload-metadata",
    "upload-offset",
)
_MORE_HEADERS: Final = {
    "concatenation": "upload-concat",
    "creation-defer-length": "upload-defer-length",
}


def check_preflight(visit: Visit) -> Result:
    """Ask as browsers do before POST, PATCH and DELETE, without credentials."""
    findings: dict[str, Finding] = {}
    asked = [("POST", visit.target.url), ("PATCH", visit.upload)]
    if "termination" in (visit.extensions or ()):
        asked.append(("DELETE", visit.upload))
    for method, url in asked:
        answer = _preflight(visit, method, url)
        finding = _preflight_refusal(visit, answer, f"The preflight for {method}")
        for each in [finding] if finding else _preflight_findings(visit, method, answer):
            findings.setdefault(each.code, each)
    if not findings.keys() - {"cors_methods", "cors_request_headers", "cors_credentials"}:
        visit.able.add("CORS")
    return Result(f"asked for pages of {visit.origin}", tuple(findings.values()))


def _preflight_refusal(visit: Visit, answer: Answer, what: str) -> Finding | None:
    """Return what is wrong with the answer to a preflight as a whole."""
    if not answer.is_success:
        if visit.extensions is None:
            return finding_of("OPTIONS", answer)  # So is every other OPTIONS.
        return Finding("cors_preflight", f"{what} got {described(answer)}.")
    finding = _origin_finding(visit, answer, what)
    if finding is not None and not answer.all(_ALLOW_ORIGIN):
        asked = visit.ask("HEAD", visit.upload, {"Origin": visit.origin})
        if asked.all(_ALLOW_ORIGIN):
            text = f"{what} was answered without {_ALLOW_ORIGIN}, and HEAD with it."
            return Finding("cors_preflight", text)
    return finding


def _preflight(visit: Visit, method: str, url: str) -> Answer:
    headers = {
        "Origin": visit.origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": ",".join(_wanted_headers(visit)),
    }
    return visit.ask("OPTIONS", url, headers, is_bare=True)


def _wanted_headers(visit: Visit) -> list[str]:
    extensions = visit.extensions or frozenset()
    more = {name for extension, name in _MORE_HEADERS.items() if extension in extensions}
    return sorted({*_HEADERS, *more, *map(str.lower, visit.target.headers)})


def _preflight_findings(visit: Visit, method: str, answer: Answer) -> list[Finding]:
    findings = []
    methods = answer.items("Access-Control-Allow-Methods")
    if method != "POST" and not {method.lower(), "*"} & methods:
        findings.append(Finding("cors_methods", f"Pages may not use {method}."))
    allowed = answer.items("Access-Control-Allow-Headers")
    # "*" stands for all but this one (Fetch, CORS-preflight fetch).
    missing = [
        name
        for name in _wanted_headers(visit)
        if name not in allowed and ("*" not in allowed or name == "authorization")
    ]
    if missing:
        findings.append(
            Finding("cors_request_headers", f"Pages may not send {', '.join(missing)}.")
        )
    return findings


def _origin_finding(visit: Visit, answer: Answer, what: str) -> Finding | None:
    """Return what is wrong with the origin that *answer* allows."""
    allowed = answer.all(_ALLOW_ORIGIN)
    if len(allowed) > 1 or any("," in value for value in allowed):
        text = f"{what} was answered with {_ALLOW_ORIGIN}: {', '.join(allowed)}."
        return Finding("cors_twice", text)
    if not allowed or allowed[0] not in {"*", visit.origin}:
        seen = f"{_ALLOW_ORIGIN}: {allowed[0]}" if allowed else f"no {_ALLOW_ORIGIN}"
        code = "cors_missing" if visit.target.origin is None else "cors_origin_refused"
        return Finding(code, f"{what} of a page of {visit.origin} was answered with {seen}.")
    if allowed[0] == "*" and answer.get("Access-Control-Allow-Credentials") == "true":
        return Finding("cors_credentials", f"{what} allows credentials to all origins.")
    return None


def check_exposed_headers(visit: Visit) -> Result:
    """Look whether pages may read the answers to POST and HEAD, and the headers in them."""
    origin = {"Origin": visit.origin}
    created, _ = visit.create({"Upload-Length": "1", **origin})
    answers = [("POST", created, ["Location"])]
    if "HEAD" in visit.able:
        asked = visit.granted("HEAD", visit.ask_patiently("HEAD", visit.upload, origin))
        answers.append(("HEAD", asked, ["Upload-Offset", "Upload-Length"]))
    findings: dict[str, Finding] = {}
    for method, answer, names in answers:
        finding = _answer_finding(visit, answer, method, "cors_answers")
        if finding is not None:
            findings.setdefault(finding.code, finding)
            continue
        exposed = answer.items("Access-Control-Expose-Headers")
        hidden = [name for name in names if name.lower() not in exposed and "*" not in exposed]
        if hidden:
            text = f"In the answer to {method} pages cannot read {', '.join(hidden)}."
            findings.setdefault("cors_exposed", Finding("cors_exposed", text))
    if "cors_answers" in findings:
        visit.able.discard("CORS")
    return Result("pages can read the answers", tuple(findings.values()))


def check_readable_errors(visit: Visit) -> Result:
    """Look whether pages may read errors: 404, and 409 for a wrong offset."""
    missing = visit.expected(f"/{'0' * 32}")
    answers = [("HEAD", visit.ask("HEAD", missing, {"Origin": visit.origin}))]
    if "PATCH" in visit.able:
        origin = {"Origin": visit.origin}
        answers.append(("PATCH", visit.append(visit.upload_of(1), 1, b"", origin)))
    for method, answer in answers:
        finding = _answer_finding(visit, answer, f"{method} ({answer.status})", "cors_errors")
        if finding is not None and finding.code != "cors_credentials":
            raise Trouble.of(finding)
    return Result(f"pages can read {' and '.join(str(each.status) for _, each in answers)}")


def _answer_finding(visit: Visit, answer: Answer, what: str, code: str) -> Finding | None:
    """Return what keeps a page from reading *answer*; it is *code* where nothing allows it."""
    finding = _origin_finding(visit, answer, what)
    if finding is None or finding.code in {"cors_twice", "cors_credentials"}:
        return finding
    return Finding(code, finding.text)
