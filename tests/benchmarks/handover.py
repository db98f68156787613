"""Measures how soon a client that comes back is answered while its old connection hangs."""

import socket
import time

from tests.benchmarks.measure import Measure, Metric, Trial, Values, percentile
from tests.benchmarks.wire import UnexpectedAnswer, Wire

#: What the old connection had sent, and what it would have sent yet.
_SENT = 1_000_000
_MISSING = 9_000_000
#: Seconds.
_NO_LONGER_THAN = 30.0


def come_back(trial: Trial) -> Values:
    """
    Ask for the offset on a new connection, again and again, each time of another hung upload.

    The old connection neither ends nor sends, as after a change of networks. The new one comes to
    any of the workers, so with two of them about half the answers cross from one to the other.
    """
    trial.warm()
    waits: list[float] = []
    with trial.window():
        # A server that lets clients wait until it gives the old connection up would take hours.
        ending = time.monotonic() + _NO_LONGER_THAN
        while len(waits) < trial.scale.asks // 5 and time.monotonic() < ending:
            waits.append(_come_back_once(trial))
    return {
        "p50": percentile(waits, 50) * 1e3,
        "p99": percentile(waits, 99) * 1e3,
        "most": max(waits) * 1e3,
    }


def _come_back_once(trial: Trial) -> float:
    url = trial.server.url
    with Wire(url) as old:
        target = old.create(_SENT + _MISSING)
        old.begin(target, trial.source, _SENT, missing=_MISSING)
        time.sleep(0.01)  # it arrives
        began = time.perf_counter()
        with Wire(url) as new:
            offset = new.offset_of(target)
            waited = time.perf_counter() - began
            if offset is None:
                raise UnexpectedAnswer("HEAD told no offset")
            new.ask("DELETE", target)
        old.socket.shutdown(socket.SHUT_RDWR)
    return waited


MEASURES = (
    Measure(
        key="handover",
        group="handover",
        title="HEAD of an upload whose old connection hangs",
        metrics=(
            Metric("p50", "p50 ms", compared=True),
            Metric("p99", "p99 ms"),
            Metric("most", "slowest ms"),
        ),
        run=come_back,
    ),
)
