"""Builds the part that a configured name means; the one file that chooses implementations."""

import asyncio
import logging
import mmap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tusd_py.auth.authenticator import Authenticator, Everybody
from tusd_py.auth.forwarding import ForwardAuth
from tusd_py.auth.outgoing import open_outgoing
from tusd_py.auth.tokens import StaticTokens, read_tokens
from tusd_py.checking import make_checks
from tusd_py.config.load import ConfigError
from tusd_py.config.model import Settings
from tusd_py.content.check import Check
from tusd_py.errors import DataDirectoryError
from tusd_py.hooks.hook import Compose
from tusd_py.locks.epochs import Epochs, base_above
from tusd_py.locks.file import FileLocker, is_supported
from tusd_py.locks.file_slots import FileSlots
from tusd_py.locks.locker import Locker
from tusd_py.locks.memory import MemoryLocker
from tusd_py.locks.postbox import remove_sockets
from tusd_py.locks.rates import Rates
from tusd_py.locks.shared_rates import SharedRates, new_memory
from tusd_py.locks.slots import Slots
from tusd_py.publishing import make_publisher, place_of, prepare_publishing
from tusd_py.state.opening import open_sqlite
from tusd_py.state.outbox import Outbox
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_directory import (
    Housekeeping,
    only_server,
    prepare_directories,
    refuse_lost_state,
)
from tusd_py.storage.data_store import JoinableStore
from tusd_py.storage.layout import Layout
from tusd_py.storage.local import LocalStore
from tusd_py.storage.probe import Abilities, probe
from tusd_py.storage.publisher import Publisher
from tusd_py.telling import composer, recording_of

if TYPE_CHECKING:
    from tusd_py.auth.verifying_keys import VerifyingKey

log = logging.getLogger(__name__)

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Findings:
    """
    What the first process of a server found out, for all of them.

    Attributes:
        abilities: Of the file system below the data directory.
        epoch_base: What every process adds to the clock, so that its epochs are above all that
            are in the state store.
        rates: Memory that they share once they are forked.
    """

    abilities: Abilities
    epoch_base: int
    rates: mmap.mmap


@dataclass(frozen=True, slots=True)
class Backends:
    """
    The parts that keep things.

    Attributes:
        state: Keeps what is known of uploads.
        outbox: Keeps what is to be told of them.
        compose: Writes what hooks are told and asked.
        data: Keeps their bytes.
        locks: Keeps their writers apart.
        slots: Count transfers.
        rates: Count their bytes.
        keeps_house: Tells whether this process removes what is over, for all of the server.
        checks: Look at complete uploads, in this order.
        publisher: Puts finished uploads where others find them; None where they stay.
    """

    state: StateStore
    outbox: Outbox
    compose: Compose
    data: JoinableStore
    locks: Locker
    slots: Slots
    rates: Rates
    keeps_house: Callable[[], bool]
    checks: tuple[Check, ...] = ()
    publisher: Publisher | None = None


@contextmanager
def claim(settings: Settings) -> Iterator[None]:
    """
    Be the one server of the data directory, making it where it is not there. Blocks.

    Processes that are forked meanwhile share the claim; it ends with the last of them.

    Raises:
        DataDirectoryError: It cannot be used, or another server uses it.
    """
    layout = Layout(settings.data_dir)
    prepare_directories(layout)
    with only_server(layout):
        refuse_lost_state(layout)
        remove_sockets(layout.locks)
        yield


def forget_worker(settings: Settings, pid: int) -> None:
    """Remove what a worker that is gone could not take away itself."""
    remove_sockets(Layout(settings.data_dir).locks, pid)


async def survey(settings: Settings) -> Findings:
    """
    Look at the claimed data directory, bring its state up to date, and log what is in use.

    Raises:
        DataDirectoryError: It cannot be used.
    """
    layout = Layout(settings.data_dir)
    abilities = await asyncio.to_thread(probe, layout)
    direct = _bypasses_page_cache(settings, abilities)
    if settings.io == "direct" and not direct:
        log.warning("The file system cannot bypass the page cache: io=direct has no effect.")
    log.info(
        "Data is kept on %s: %s, %s, durability %s.",
        abilities.file_system or "an unknown file system",
        "space is reserved" if abilities.reserves else "space cannot be reserved",
        "large bodies bypass the page cache" if direct else "all go through the page cache",
        settings.durability,
    )
    await asyncio.to_thread(prepare_publishing, settings)
    state = await open_sqlite(layout.state_file, strict=settings.durability == "strict")
    try:
        return Findings(abilities, base_above(await state.highest_epoch()), new_memory())
    finally:
        await state.close()


@asynccontextmanager
async def open_backends(
    settings: Settings,
    findings: Findings | None,
    *,
    clock: Callable[[], float] = time.time,
    targets: tuple[str, ...] = (),
) -> AsyncIterator[Backends]:
    """
    Open everything below the data directory, and close it afterwards, the state last.

    Args:
        settings: What is where.
        findings: What `survey` returned to the server that this process is of; None for a guest
            beside it.
        clock: Returns seconds since the epoch.
        targets: The hooks that are told of changes; a guest tells those that the server does.

    Raises:
        ConfigError: A library for the checks is missing.
        DataDirectoryError: It cannot be used.
    """
    checks = () if findings is None else make_checks(settings)
    layout = Layout(settings.data_dir)
    strict = settings.durability == "strict"
    compose = composer(path_of=place_of(settings, layout), clock=clock)
    recording = recording_of(settings, targets, compose, clock=clock)
    state = await open_sqlite(
        layout.state_file,
        strict=strict,
        create=False,
        recording=recording,
        keeps_addresses=settings.max_stored_per_address is not None,
    )
    direct = findings is not None and _bypasses_page_cache(settings, findings.abilities)
    data = LocalStore(layout, strict=strict, direct=direct)
    try:
        if findings is None:
            await state.outbox.adopt(compose, clock)
        housekeeping = Housekeeping(layout)
        locks = _open_locks(settings, layout, findings.epoch_base if findings else 0)
        # Where the system has no such locks there is one process; and a guest receives nothing.
        is_shared = findings is not None and isinstance(locks, FileLocker)
        slots = FileSlots(layout.locks / "transfers" if is_shared else None)
        rates = SharedRates(
            findings.rates if findings else new_memory(),
            layout.locks / "rates" if is_shared else None,
        )
        try:
            yield Backends(
                *(state, state.outbox, compose, data, locks, slots, rates, housekeeping.is_ours),
                checks=checks,
                publisher=make_publisher(settings, layout),
            )
        finally:
            slots.close()
            rates.close()
            await locks.close()
            housekeeping.close()
    finally:
        await data.close()
        await state.close()


@asynccontextmanager
async def open_authenticator(settings: Settings) -> AsyncIterator[Authenticator]:
    """
    Yield what says whose a request is; it asks nobody before the first request.

    Raises:
        ConfigError: See `check_authenticator`.
    """
    match settings.auth:
        case "none":
            yield Everybody()
        case "tokens":
            yield StaticTokens(read_tokens(_given(settings.auth_tokens).text))
        case "jwt":
            async with _open_json_web_tokens(settings) as authenticator:
                yield authenticator
        case "forward":
            within = settings.auth_timeout
            async with open_outgoing(_given(settings.auth_url), within=within) as service:
                yield ForwardAuth(service, owner_header=settings.auth_owner_header)


def check_authenticator(settings: Settings) -> None:
    """
    Make sure that `open_authenticator` will work, in a process that needs none itself.

    Raises:
        ConfigError: A package is missing, or jwt_key holds no keys that fit.
    """
    if settings.auth == "jwt":
        _read_keys(settings)


@asynccontextmanager
async def _open_json_web_tokens(settings: Settings) -> AsyncIterator[Authenticator]:
    keys = _read_keys(settings)
    # PyJWT comes with an extra: it is not there where nobody asked for it.
    from tusd_py.auth.json_web_tokens import (  # noqa: PLC0415
        JsonWebTokens,
        KeysOfFile,
        TokenRules,
    )
    from tusd_py.auth.key_set import PublishedKeys  # noqa: PLC0415

    rules = TokenRules(
        algorithms=frozenset(settings.jwt_algorithms),
        audience=_given(settings.jwt_audience),
        issuer=settings.jwt_issuer,
        leeway=settings.jwt_leeway,
        must_expire=settings.jwt_must_expire,
        owner_claim=settings.jwt_owner_claim,
    )
    file = settings.jwt_key
    if file is not None and file.is_exposed and any(type(each.key) is bytes for each in keys):
        log.warning(
            "Every user of this machine can read the secret that signs tokens: chmod o= %s",
            file.path,
        )
    if settings.jwks_url is None:
        yield JsonWebTokens(KeysOfFile(keys), rules)
        return
    async with open_outgoing(settings.jwks_url, within=settings.auth_timeout) as provider:
        published = PublishedKeys(provider, settings.jwt_algorithms)
        try:
            yield JsonWebTokens(published, rules)
        finally:
            await published.close()


def _read_keys(settings: Settings) -> "tuple[VerifyingKey, ...]":
    """Return the keys of `jwt_key`; none where they are published."""
    try:
        from tusd_py.auth.verifying_keys import read_key_file  # noqa: PLC0415 - see above
    except ImportError as error:
        raise ConfigError(
            [f"auth = jwt needs PyJWT ({error}): install it with `pip install 'tusd-py[jwt]'`"]
        ) from error
    if settings.jwks_url is not None:
        return ()
    file = _given(settings.jwt_key)
    try:
        return read_key_file(file.text, settings.jwt_algorithms)
    except ValueError as error:
        raise ConfigError([f"jwt_key: {file.path} {error}"]) from error


def _given(value: _Value | None) -> _Value:
    """Return what a setting needs, which `Settings` has made sure of; rather fail than let in."""
    if value is None:
        raise ConfigError(["auth lacks a setting that it needs: see the group Access"])
    return value


def _open_locks(settings: Settings, layout: Layout, epoch_base: int) -> Locker:
    epochs = Epochs(epoch_base)
    try:
        if is_supported():
            return FileLocker(layout.locks, new_epoch=epochs, timeout=settings.lock_timeout)
        reason = "this system has no locks of open files"
    except OSError as error:
        reason = error.strerror or str(error)
    if settings.process_count > 1:
        raise DataDirectoryError(
            f"Several workers cannot share the data directory {layout.root} ({reason}): put it on"
            " a local file system, or set workers to 1."
        )
    log.warning("Commands such as `rm` cannot ask the server to let go of an upload: %s.", reason)
    return MemoryLocker(new_epoch=epochs, timeout=settings.lock_timeout)


def _bypasses_page_cache(settings: Settings, abilities: Abilities) -> bool:
    """
    Choose how large bodies are written.

    Past the page cache a durable write costs a third of the CPU; without durability the page
    cache is faster than any disk.
    """
    wanted = settings.io == "direct" or (settings.io == "auto" and settings.durability == "strict")
    return wanted and abilities.direct
