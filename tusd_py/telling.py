"""Builds what tells others of uploads from the settings: who is told, and of what."""

import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from tusd_py.config.hooks import PLUGINS
from tusd_py.config.model import Settings
from tusd_py.hooks.command import CommandHook
from tusd_py.hooks.function import FunctionHook, HookFunction, function_target
from tusd_py.hooks.hook import OPEN_GATE, Compose, Gate, Hook, Point
from tusd_py.hooks.payload import Composer
from tusd_py.hooks.pre import AskingGate
from tusd_py.hooks.webhook import open_webhooks
from tusd_py.protocol.published_path import path_wanted
from tusd_py.protocol.upload import Upload
from tusd_py.state.outbox import Recording

log = logging.getLogger(__name__)

#: What somebody who embeds the server wants to be called, by name.
Functions = Mapping[str, HookFunction]
NO_FUNCTIONS: Final[Functions] = {}
#: Threads for functions that are not async.
_THREADS: Final = 8


def composer(*, path_of: Callable[[Upload], Path], clock: Callable[[], float]) -> Compose:
    """Return what writes messages about uploads whose bytes are where *path_of* says."""
    return Composer(path_of=path_of, new_id=lambda: secrets.token_hex(16), clock=clock)


def targets_of(settings: Settings, functions: Functions) -> tuple[str, ...]:
    """Return the name of every hook that `open_hooks` opens."""
    directory = settings.hooks_directory
    return (
        *settings.hooks_urls,
        *([] if directory is None else [CommandHook(directory).name]),
        *map(function_target, [*settings.hooks_plugins, *functions]),
    )


def recording_of(
    settings: Settings,
    targets: tuple[str, ...],
    compose: Compose,
    *,
    clock: Callable[[], float],
) -> Recording | None:
    """Return which changes a state store tells *targets* of; None where nobody is told."""
    if not targets:
        return None
    points = frozenset(point for point in _points(settings) if not point.is_question)
    return Recording(points, targets, compose, clock)


def gate_of(settings: Settings, hooks: Sequence[Hook], compose: Compose) -> Gate:
    """Return what asks *hooks* before something happens, where they are to be asked."""
    points = frozenset(point for point in _points(settings) if point.is_question)
    if not hooks or not points:
        return OPEN_GATE
    return AskingGate(
        hooks,
        points,
        compose,
        within=settings.hooks_timeout,
        silence_allows=settings.hooks_fail == "allow",
        place=_place_below(settings.publish_directory),
    )


def _place_below(directory: Path | None) -> Callable[[str], str] | None:
    """Return what reads where hooks want uploads to be; None where they have no say."""
    if directory is None:
        return None
    root = str(directory.resolve())
    return lambda path: path_wanted(path, root)


def _points(settings: Settings) -> list[Point]:
    return [Point(name) for name in settings.hooks_events]


@asynccontextmanager
async def open_hooks(
    settings: Settings, functions: Functions, *, clock: Callable[[], float]
) -> AsyncIterator[list[Hook]]:
    """
    Yield every hook that the settings name, and those that call *functions*.

    Raises:
        Exception: What a plug-in raises when it is imported.
    """
    keys = settings.hooks_keys
    if keys is not None and keys.is_exposed:
        log.warning(
            "Every user of this machine can read the keys that sign messages: chmod o= %s",
            keys.path,
        )
    directory = settings.hooks_directory
    commands = [] if directory is None else [CommandHook(directory)]
    called = {**_plugins(settings), **functions}
    threads = ThreadPoolExecutor(_THREADS, "hooks") if called else None
    try:
        async with open_webhooks(
            settings.hooks_urls,
            keys=() if keys is None else keys.keys,
            clock=clock,
            within=settings.hooks_timeout,
        ) as webhooks:
            calls = [FunctionHook(*each, threads) for each in called.items()] if threads else []
            yield [*webhooks, *commands, *calls]
    finally:
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)


def _plugins(settings: Settings) -> Functions:
    if not settings.hooks_plugins:
        return {}
    found = entry_points(group=PLUGINS)
    return {name: found[name].load() for name in settings.hooks_plugins}
