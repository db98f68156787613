"""Runs work in a process of its own that may kill itself on the way."""

import os
import signal
from collections.abc import Callable


def came_to_its_end(work: Callable[[], None], step: int) -> bool:
    """
    Do *work* in a process of its own; tell whether it came to its end.

    Raises:
        SystemExit: It neither did, nor was killed at the *step* where it was to be.
    """
    process = os.fork()
    if process == 0:
        work()
        os._exit(0)
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"step {step} ended with {code}")
    return code == 0
