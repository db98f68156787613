"""Counts with prometheus_client, in this process or together with those beside it."""

import os
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from tusd_py import __version__
from tusd_py.errors import TransferEnded, TusError, Unauthenticated
from tusd_py.events import (
    Event,
    UploadCreated,
    UploadExpired,
    UploadFinished,
    UploadRejected,
    UploadTerminated,
)
from tusd_py.metrics import DIRECTORY_VARIABLE, Metrics

#: Methods have a series each; whatever else a client makes up shares one.
_METHODS: Final = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST"}
#: Seconds. A point read takes under a millisecond; a lock may be waited for for ten seconds.
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class PrometheusMetrics(Metrics):
    """
    Keeps every figure that docs/operations.md lists.

    Its registry is its own, so an application that mounts uploads keeps its names to itself.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._is_shared = DIRECTORY_VARIABLE in os.environ

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"tusd_py_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str, mode: str = "livesum") -> Gauge:
            return Gauge(
                f"tusd_py_{name}",
                text,
                labels,
                registry=registry,
                multiprocess_mode=mode,  # type: ignore[arg-type] # one of its literals
            )

        self._events = {
            UploadCreated: counter("uploads_created", "Uploads that were created."),
            UploadFinished: counter(
                "uploads_finished", "Uploads whose last byte is durable, and that may stay."
            ),
            UploadTerminated: counter(
                "uploads_terminated", "Uploads that a client or the operator removed."
            ),
            UploadExpired: counter("uploads_expired", "Uploads whose time was over."),
        }
        self._rejected = counter(
            "uploads_rejected", "Uploads that a hook or a check did not want.", "by"
        )
        self._received = counter("received_bytes", "Bytes of bodies that were received.")
        self._transfers = gauge("transfers", "Bodies that are being received.")
        self._watchers = gauge("watchers", "Connections on which an upload is watched.")
        self._ended_early = counter(
            "transfers_ended_early", "Bodies that stopped before their end.", "code"
        )
        self._requests = counter("requests", "Requests that were answered.", "method", "status")
        self._refused = counter("requests_refused", "Requests that were refused.", "code")
        self._unauthenticated = counter(
            "auth_failures", "Requests of which nobody could tell whose they are."
        )
        self._seconds = Histogram(
            "tusd_py_request_seconds",
            "Time to answer requests without a body; GET is not among them.",
            ["method"],
            registry=registry,
            buckets=_BUCKETS,
        )
        self._connections = gauge("connections", "Connections that are open.")
        self._connections_refused = counter(
            "connections_refused", "Connections that were not let in.", "limit"
        )
        self._late_heads = counter(
            "header_timeouts", "Connections closed since a request's head was not complete in time."
        )
        self._delivered = counter("hooks_delivered", "Messages that arrived at a hook.")
        self._undelivered = counter("hooks_failed", "Attempts to tell a hook that failed.")
        self._pending = gauge("hooks_pending", "Messages that a hook is still to be told.")
        self._dead = gauge("hooks_dead", "Messages that were given up.")
        gauge("build_info", "1, labelled with the version.", "version", mode="max").labels(
            __version__
        ).set(1)
        self._show_zeros()

    def _show_zeros(self) -> None:
        """Let series begin at 0: the first failure would be no increase otherwise."""
        for ended in TransferEnded.__subclasses__():
            self._ended_early.labels(ended.code)
        for limit in ("max_connections", "max_connections_per_address"):
            self._connections_refused.labels(limit)

    def happened(self, event: Event) -> None:
        counter = self._events.get(type(event))
        if isinstance(event, UploadRejected):
            self._rejected.labels(event.by).inc()
        elif counter is not None:
            counter.inc()

    def answered(self, method: str, status: int, seconds: float | None) -> None:
        known = method if method in _METHODS else "other"
        self._requests.labels(known, status).inc()
        if seconds is not None:
            self._seconds.labels(known).observe(seconds)

    def failed(self, error: TusError) -> None:
        counter = self._ended_early if isinstance(error, TransferEnded) else self._refused
        counter.labels(error.code).inc()
        if isinstance(error, Unauthenticated):
            self._unauthenticated.inc()

    def transfer_began(self) -> None:
        self._transfers.inc()

    def transfer_ended(self) -> None:
        self._transfers.dec()

    def watcher_came(self) -> None:
        self._watchers.inc()

    def watcher_left(self) -> None:
        self._watchers.dec()

    def received(self, count: int) -> None:
        self._received.inc(count)

    def connection_made(self) -> None:
        self._connections.inc()

    def connection_lost(self) -> None:
        self._connections.dec()

    def connection_refused(self, limit: str) -> None:
        self._connections_refused.labels(limit).inc()

    def head_was_late(self) -> None:
        self._late_heads.inc()

    def hook_delivered(self) -> None:
        self._delivered.inc()

    def hook_failed(self) -> None:
        self._undelivered.inc()

    def hooks_waiting(self, pending: int, dead: int) -> None:
        self._pending.set(pending)
        self._dead.set(dead)

    def written(self) -> bytes:
        if not self._is_shared:
            return generate_latest(self._registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)  # type: ignore[no-untyped-call] # it has no types
        return generate_latest(everyone)
