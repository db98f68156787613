"""Each worker has its share of the connections; who leaves is forgotten."""

import asyncio
from typing import Any

import pytest

from tusd_py.config.model import Settings
from tusd_py.metrics import Metrics
from tusd_py.web.cors import Cors
from tusd_py.web.entrance import ConnectionLimits, Entrance


class FakeTransport(asyncio.Transport):
    """Comes from an address, and holds what is written to it."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host
        self.protocol: asyncio.BaseProtocol | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self._host, 1234) if name == "peername" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


class CountingMetrics(Metrics):
    """Keeps in a list what it is told about connections."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def connection_made(self) -> None:
        self.told.append("made")

    def connection_lost(self) -> None:
        self.told.append("lost")

    def connection_refused(self, limit: str) -> None:
        self.told.append(limit)


def an_entrance(workers: int = 1, metrics: Metrics | None = None, **limits: Any) -> Entrance:
    return Entrance(
        ConnectionLimits(**limits), workers=workers, metrics=metrics or Metrics(), cors=Cors(("*",))
    )


@pytest.mark.parametrize(
    ("most", "workers", "share"), [(10, 1, 10), (10, 2, 5), (10, 3, 4), (2, 4, 1), (1, 1, 1)]
)
async def test_share_of_a_worker_is_rounded_up(most: int, workers: int, share: int) -> None:
    entrance = an_entrance(workers, max_connections=most)
    admitted = [entrance.admit(FakeTransport("192.0.2.1")) for _ in range(share + 1)]
    assert admitted == [""] * share + [None]


async def test_client_is_counted_where_that_is_asked_for() -> None:
    entrance = an_entrance(max_per_address=1)
    first = entrance.admit(FakeTransport("192.0.2.1"))
    assert first == "192.0.2.1"
    assert entrance.admit(FakeTransport("192.0.2.1")) is None
    assert entrance.admit(FakeTransport("192.0.2.2")) == "192.0.2.2"
    entrance.leave(first)
    assert entrance.admit(FakeTransport("192.0.2.1")) == "192.0.2.1"


async def test_nothing_is_kept_of_who_left() -> None:
    entrance = an_entrance(max_per_address=2)
    for number in range(100):
        client = entrance.admit(FakeTransport(f"192.0.2.{number}"))
        assert client is not None
        entrance.leave(client)
    assert entrance._open_of == {}


async def test_metrics_are_told() -> None:
    metrics = CountingMetrics()
    entrance = an_entrance(metrics=metrics, max_connections=2, max_per_address=1)
    client = entrance.admit(FakeTransport("192.0.2.1"))
    entrance.admit(FakeTransport("192.0.2.1"))
    entrance.admit(FakeTransport("192.0.2.2"))
    entrance.admit(FakeTransport("192.0.2.3"))
    assert client is not None
    entrance.leave(client)
    assert metrics.told == [
        *("made", "max_connections_per_address", "made", "max_connections", "lost")
    ]


def test_defaults_are_those_of_the_settings() -> None:
    settings, limits = Settings(), ConnectionLimits()
    assert limits.header_timeout == settings.header_timeout
    assert limits.idle_timeout == settings.idle_timeout
    assert limits.max_connections == settings.max_connections
    assert limits.max_per_address == settings.max_connections_per_address
