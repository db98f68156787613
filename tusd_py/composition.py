"""Puts the service together from settings and back ends, and takes it apart again."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from tusd_py.backends import Backends, Findings, claim, open_backends, survey
from tusd_py.config.model import Settings
from tusd_py.errors import UploadNotFound
from tusd_py.events import Listener
from tusd_py.hooks.hook import OPEN_GATE, Gate, Hook, Point
from tusd_py.hooks.post import Meter, Terms, deliver_all
from tusd_py.limiting import accounts_of
from tusd_py.logs import log_event
from tusd_py.metrics import Metrics
from tusd_py.protocol.expiration import Expiration
from tusd_py.protocol.extensions import Extension, Policy, decide_extensions
from tusd_py.state.outbox import Outbox
from tusd_py.state.state_store import StateStore
from tusd_py.telling import NO_FUNCTIONS, Functions, gate_of, open_hooks, targets_of
from tusd_py.uploads.admission import Admission
from tusd_py.uploads.buffers import BufferPool
from tusd_py.uploads.concatenation import Concatenation
from tusd_py.uploads.ending import Ending
from tusd_py.uploads.expiration import Retention, Sweeper
from tusd_py.uploads.finishing import Finishing
from tusd_py.uploads.housekeeping import Housekeeping
from tusd_py.uploads.recovery import recover
from tusd_py.uploads.screening import Screening
from tusd_py.uploads.service import UploadService
from tusd_py.uploads.throttle import Throttle
from tusd_py.uploads.transfer import Checkpoints
from tusd_py.uploads.writer import Writer

#: Returns seconds since the epoch.
Clock = Callable[[], float]


@asynccontextmanager
async def open_service(
    settings: Settings,
    *,
    exclusive: bool,
    clock: Clock = time.time,
    listener: Listener = log_event,
    meter: Meter | None = None,
    functions: Functions = NO_FUNCTIONS,
) -> AsyncIterator[UploadService]:
    """
    Open the data directory and yield the service that acts on it.

    Args:
        settings: What is where.
        exclusive: Whether to be the one server of the directory, in this one process. Otherwise
            be a guest beside it, as the command line is.
        clock: Returns seconds since the epoch.
        listener: Is told what happens to uploads.
        meter: Counts what hooks are told.
        functions: Hooks beside those of the settings, by name.

    Raises:
        DataDirectoryError: The data directory cannot be used, or another server uses it.
    """
    if not exclusive:
        async with open_backends(settings, None, clock=clock) as backends:
            # Operators do not ask.
            service, house = _build(settings, backends, clock, listener, OPEN_GATE)
            yield service
            await house.close()
        return
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, claim(settings))
        findings = await make_ready(settings)
        opening = open_worker_service(
            settings,
            findings,
            clock=clock,
            listener=listener,
            meter=meter,
            functions=functions,
        )
        async with opening as service:
            yield service


@dataclass(frozen=True, slots=True)
class Office:
    """
    What an operator can do about what hooks are told.

    Attributes:
        outbox: What is to be told.
    """

    outbox: Outbox
    _state: StateStore

    async def replay(self, upload_id: str) -> str | None:
        """
        Have it told anew that an upload is finished.

        Returns:
            The new event's id, or None where the server has no hooks.

        Raises:
            UploadNotFound: There is no such upload, or it is not finished.
        """
        upload = await self._state.find(upload_id)
        if upload is None or not upload.is_finished:
            raise UploadNotFound
        message = await self.outbox.put(upload, Point.POST_FINISH)
        return None if message is None else message.event_id


@asynccontextmanager
async def open_office(settings: Settings, *, clock: Clock = time.time) -> AsyncIterator[Office]:
    """
    Yield what hooks are told, as a guest beside the server, which delivers it.

    Raises:
        DataDirectoryError: The data directory cannot be used.
    """
    async with open_backends(settings, None, clock=clock) as backends:
        yield Office(backends.outbox, backends.state)


async def make_ready(settings: Settings) -> Findings:
    """
    Make the claimed data directory ready for the processes of this server.

    Raises:
        DataDirectoryError: The data directory cannot be used, or its data is missing as a whole.
    """
    findings = await survey(settings)
    async with open_backends(settings, findings) as backends:
        await recover(backends.state, backends.data)
    return findings


@asynccontextmanager
async def open_worker_service(
    settings: Settings,
    findings: Findings,
    *,
    clock: Clock = time.time,
    listener: Listener = log_event,
    meter: Meter | None = None,
    functions: Functions = NO_FUNCTIONS,
) -> AsyncIterator[UploadService]:
    """
    Yield the service of one of the processes that serve a claimed data directory.

    Raises:
        DataDirectoryError: The data directory cannot be used.
    """
    async with (
        open_backends(
            settings, findings, clock=clock, targets=targets_of(settings, functions)
        ) as backends,
        open_hooks(settings, functions, clock=clock) as hooks,
    ):
        await backends.outbox.announce()
        gate = gate_of(settings, hooks, backends.compose)
        service, house = _build(settings, backends, clock, listener, gate)
        keeping_house = asyncio.create_task(house.keep())
        try:
            async with _delivering(settings, backends, hooks, service, meter or Metrics()):
                yield service
        finally:
            keeping_house.cancel()
            await asyncio.gather(keeping_house, return_exceptions=True)
            await house.close()


@asynccontextmanager
async def _delivering(
    settings: Settings,
    backends: Backends,
    hooks: Sequence[Hook],
    service: UploadService,
    meter: Meter,
) -> AsyncIterator[None]:
    """Tell hooks what is to be told, for as long as this process keeps house."""
    terms = Terms(
        is_ours=backends.keeps_house,
        timeout=settings.hooks_timeout,
        give_up_after=settings.hooks_give_up_after,
        clock=service.clock,
        chance=random.random,
        stop=service.remove,
    )
    if not hooks:
        yield
        return
    delivering = asyncio.create_task(deliver_all(hooks, backends.outbox, terms, meter))
    try:
        yield
    finally:
        delivering.cancel()
        with suppress(asyncio.CancelledError):
            await delivering


def _build(
    settings: Settings, backends: Backends, clock: Clock, listener: Listener, gate: Gate
) -> tuple[UploadService, Housekeeping]:
    policy = _policy(settings)
    accounts = accounts_of(settings)
    ending = Ending(state=backends.state, data=backends.data, clock=clock, listener=listener)
    finishing = Finishing(
        state=backends.state,
        data=backends.data,
        locks=backends.locks,
        ending=ending,
        clock=clock,
        listener=listener,
        checks=backends.checks,
        publisher=backends.publisher,
    )
    concatenation = Concatenation(
        data=backends.data,
        state=backends.state,
        locks=backends.locks,
        policy=policy,
        clock=clock,
        listener=listener,
        ending=ending,
        finishing=finishing,
        accounts=accounts,
        gate=gate,
    )
    sweeper = Sweeper(
        state=backends.state,
        data=backends.data,
        retention=Retention(settings.keep_tombstones, settings.orphan_grace),
        clock=clock,
        listener=listener,
    )
    writer = Writer(
        data=backends.data,
        state=backends.state,
        buffers=BufferPool(settings.buffer_budget),
        policy=policy,
        checkpoints=Checkpoints(settings.checkpoint_bytes, settings.checkpoint_interval),
        clock=clock,
        gate=gate,
        awaits=finishing.awaits,
        accounts_of=accounts.of_upload,
    )
    service = UploadService(
        state=backends.state,
        data=backends.data,
        locks=backends.locks,
        writer=writer,
        admission=Admission(
            backends.data,
            backends.state,
            reserve=settings.disk_reserve,
            accounts=accounts,
            clock=clock,
        ),
        ending=ending,
        finishing=finishing,
        screening=Screening(backends.data, backends.checks),
        throttle=Throttle(backends.slots, backends.rates, timeout=settings.lock_timeout),
        concatenation=concatenation,
        sweeper=sweeper,
        policy=policy,
        clock=clock,
        new_id=lambda: secrets.token_hex(16),
        listener=listener,
        gate=gate,
    )
    house = Housekeeping(
        sweeper, concatenation, finishing, backends.keeps_house, settings.sweep_interval
    )
    return service, house


def _policy(settings: Settings) -> Policy:
    extensions = decide_extensions(
        disabled=frozenset(Extension(name) for name in settings.disabled_extensions),
        expires=settings.expire_after is not None,
    )
    expire_after = settings.expire_after if Extension.EXPIRATION in extensions else None
    return Policy(
        extensions=extensions,
        algorithms=settings.checksum_algorithms,
        max_size=settings.max_size,
        expiration=Expiration(expire_after, settings.expiration == "sliding"),
        lenient_metadata=settings.metadata == "lenient",
        head_without_version=settings.head_without_version == "answer",
        method_override=settings.method_override,
        repeated_parts=settings.repeated_parts,
    )
