"""Runs the checks in order, each only where what it needs was seen to work."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from tusd_py.doctor import (
    checks_access,
    checks_bodies,
    checks_cors,
    checks_extensions,
    checks_uploading,
)
from tusd_py.doctor.conversation import Deadline, OutOfTime, Unanswered
from tusd_py.doctor.report import Report
from tusd_py.doctor.target import Target
from tusd_py.doctor.verdict import CannotExamine, Finding, Outcome, Result, Skip, Trouble, Verdict
from tusd_py.doctor.visit import Visit

#: Seconds that all checks may take together, pauses apart, and those that cleaning up may.
CHECKING: Final = 45.0
CLEANING: Final = 8.0


@dataclass(frozen=True, slots=True)
class Check:
    """
    One thing to find out.

    Attributes:
        name: For scripts.
        title: For people.
        run: Asks; its docstring says what.
        needs: What has to work for the question to make sense.
    """

    name: str
    title: str
    run: Callable[[Visit], Result]
    needs: frozenset[str] = frozenset()

    @property
    def asked(self) -> str:
        """Say what is asked."""
        return " ".join((self.run.__doc__ or "").split())


_HEAD: Final = frozenset({"POST", "HEAD"})
_PATCH: Final = frozenset({"POST", "PATCH"})
_BOTH: Final = _HEAD | _PATCH

CHECKS: Final = (
    Check("certificate", "Certificate", checks_access.check_certificate),
    Check("discovery", "Discovery", checks_access.check_discovery),
    Check("creation", "Creation and Location", checks_uploading.check_creation),
    Check("head", "HEAD", checks_uploading.check_head, frozenset({"POST"})),
    Check("patch", "PATCH", checks_uploading.check_patch, frozenset({"POST"})),
    Check("interruption", "Interrupted upload", checks_uploading.check_interruption, _BOTH),
    Check("body-size", "Large bodies", checks_bodies.check_body_size, _PATCH),
    Check("chunked", "Body without length", checks_bodies.check_chunked, _BOTH),
    Check("expect", "Expect: 100-continue", checks_bodies.check_expectation, _PATCH),
    Check("pause", "Pause in a body", checks_bodies.check_pause, _PATCH),
    Check("checksum", "Checksum", checks_extensions.check_checksum, _PATCH),
    Check("deferred-length", "Deferred length", checks_extensions.check_deferred_length, _PATCH),
    Check("override", "Method override", checks_extensions.check_override, _PATCH),
    Check("refusal", "Wrong offset", checks_extensions.check_refusal, _PATCH),
    Check("keep-alive", "Keep-alive", checks_access.check_keep_alive, _HEAD),
    Check("cors-preflight", "CORS: preflight", checks_cors.check_preflight, frozenset({"POST"})),
    Check(
        "cors-exposed",
        "CORS: answers",
        checks_cors.check_exposed_headers,
        frozenset({"POST", "CORS"}),
    ),
    Check(
        "cors-errors",
        "CORS: errors",
        checks_cors.check_readable_errors,
        frozenset({"POST", "CORS"}),
    ),
    Check("termination", "DELETE", checks_extensions.check_termination, frozenset({"POST"})),
)


class Watcher(Protocol):
    """Is told how the examination goes."""

    def begins(self, check: Check) -> None:
        """Note that *check* is running."""

    def ends(self, verdict: Verdict) -> None:
        """Note what it came to."""


def examine(target: Target, watcher: Watcher) -> Report:
    """
    Run all checks, and remove what they uploaded.

    Raises:
        CannotExamine: Nothing answers there, or not to us, or it is no tus server.
    """
    started = time.monotonic()
    visit = Visit(target, Deadline(CHECKING + target.pause))
    verdicts: list[Verdict] = []
    try:
        for verdict in _verdicts(visit, watcher):
            verdicts.append(verdict)
            watcher.ends(verdict)
    finally:
        visit.deadline = Deadline(CLEANING)
        visit.clean_up()
    return Report(
        url=target.url,
        verdicts=tuple(verdicts),
        servers=tuple(visit.servers),
        proxy=visit.proxy,
        left=tuple(visit.left),
        seconds=time.monotonic() - started,
    )


def _verdicts(visit: Visit, watcher: Watcher) -> Iterator[Verdict]:
    no_use = ""
    for check in CHECKS:
        watcher.begins(check)
        missing = sorted(check.needs - visit.able)
        if no_use or missing:
            skipped = no_use or f"needs {' and '.join(missing)}, which did not work"
            yield Verdict(check.name, check.title, skipped=skipped)
            continue
        verdict = _run(check, visit)
        yield verdict
        if check.name == "certificate" and visit.target.verifies:
            if verdict.outcome is Outcome.BROKEN:
                no_use = "the certificate is not right; --insecure goes on all the same"
        elif any(finding.code == "redirected" for finding in verdict.findings):
            no_use = "the URL redirects"


def _run(check: Check, visit: Visit) -> Verdict:
    try:
        result = check.run(visit)
    except Skip as skip:
        return Verdict(check.name, check.title, skipped=str(skip))
    except OutOfTime:
        skipped = f"no time was left; all has to end after {CHECKING:.0f} seconds"
        return Verdict(check.name, check.title, skipped=skipped)
    except Trouble as trouble:
        findings = (trouble.finding,)
    except Unanswered as error:
        if not visit.has_answered:
            raise CannotExamine("unreachable", f"cannot ask {visit.target.url}: {error}") from error
        findings = (Finding("no_answer", f"{str(error).capitalize()}."),)
    else:
        return Verdict(check.name, check.title, result.answered, result.findings)
    return Verdict(check.name, check.title, "", findings)
