"""Where the installed aiohttp is not the one we know, plain connections serve, and say so."""

import ast
import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from tusd_py.web.connection import HEADER_LIMITS, Connection, is_supported
from tusd_py.web.runner import ConnectionRunner, make_runner


def inner_names() -> list[str]:
    """Return the inner names of aiohttp's handler that `Connection` uses."""
    body = ast.parse(inspect.getsource(Connection))
    names = {
        node.attr
        for node in ast.walk(body)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id == "self" and node.attr.startswith("_")
    }
    return sorted(name for name in names if name not in Connection.__dict__)


@contextmanager
def without(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """Let the installed aiohttp know no such name."""
    with monkeypatch.context() as patched:
        for each in (StreamReader, *RequestHandler.__mro__):
            slots = getattr(each, "__slots__", ())
            if name in slots:
                patched.setattr(each, "__slots__", tuple(slot for slot in slots if slot != name))
            if name in each.__dict__:
                patched.delattr(each, name)
        yield


class TestSelfCheck:
    def test_knows_the_installed_version(self) -> None:
        assert is_supported()

    @pytest.mark.parametrize("name", [*inner_names(), "_read_nowait", "_buffer", "_size"])
    def test_misses_any_name_that_is_not_there(
        self, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        with without(monkeypatch, name):
            assert not is_supported()
        assert is_supported()


class TestRunner:
    async def test_makes_our_connections_where_it_can(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        runner = make_runner(web.Application())
        assert isinstance(runner, ConnectionRunner)
        await runner.setup()
        assert runner.server is not None
        assert isinstance(runner.server(), Connection)
        await runner.cleanup()
        assert caplog.records == []

    @pytest.mark.parametrize("name", ["_messages", "_close", "_read_nowait"])
    async def test_falls_back_to_plain_ones_with_one_warning(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        with without(monkeypatch, name):
            runner = make_runner(web.Application())
        assert type(runner) is web.AppRunner
        await runner.setup()
        assert runner.server is not None
        plain = runner.server()
        assert type(plain) is RequestHandler
        await runner.cleanup()
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        message = caplog.records[0].getMessage()
        assert "aiohttp" in message
        assert "setup.cfg" in message  # which says what to install

    @pytest.mark.parametrize("name", [None, "_messages"])
    async def test_gives_either_kind_the_same_limits_and_options(
        self, monkeypatch: pytest.MonkeyPatch, name: str | None
    ) -> None:
        with without(monkeypatch, name or "nothing"):
            runner = make_runner(web.Application(), keepalive_timeout=12.5, access_log=None)
        await runner.setup()
        assert runner.server is not None
        made = runner.server()
        limits = {limit: getattr(made, limit) for limit in HEADER_LIMITS}
        assert limits == HEADER_LIMITS
        assert made.keepalive_timeout == 12.5
        assert made.access_log is None
        await runner.cleanup()
