"""Puts the service together from settings and back ends, and takes it apart again."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

from tusd_py.backends import Backends, Findings, claim, open_backends, survey
from tusd_py.config.model import Settings
from tusd_py.errors import TusError
from tusd_py.events import Listener
from tusd_py.logs import log_event
from tusd_py.protocol.expiration import Expiration
from tusd_py.protocol.extensions import Extension, Policy, decide_extensions
from tusd_py.uploads.admission import Admission
from tusd_py.uploads.buffers import BufferPool
from tusd_py.uploads.concatenation import Concatenation
from tusd_py.uploads.expiration import Retention, Sweeper
from tusd_py.uploads.recovery import recover
from tusd_py.uploads.service import UploadService
from tusd_py.uploads.transfer import Checkpoints
from tusd_py.uploads.writer import Writer

log = logging.getLogger(__name__)

#: Returns seconds since the epoch.
Clock = Callable[[], float]


@asynccontextmanager
async def open_service(
    settings: Settings,
    *,
    exclusive: bool,
    clock: Clock = time.time,
    listener: Listener = log_event,
) -> AsyncIterator[UploadService]:
    """
    Open the data directory and yield the service that acts on it.

    Args:
        settings: What is where.
        exclusive: Whether to be the one server of the directory, in this one process. Otherwise
            be a guest beside it, as the command line is.
        clock: Returns seconds since the epoch.
        listener: Is told what happens to uploads.

    Raises:
        DataDirectoryError: The data directory cannot be used, or another server uses it.
    """
    if not exclusive:
        async with open_backends(settings, None) as backends:
            service, _, concatenation = _build(settings, backends, clock, listener)
            yield service
            await concatenation.close()
        return
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, claim(settings))
        findings = await make_ready(settings)
        opening = open_worker_service(settings, findings, clock=clock, listener=listener)
        async with opening as service:
            yield service


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
) -> AsyncIterator[UploadService]:
    """
    Yield the service of one of the processes that serve a claimed data directory.

    Raises:
        DataDirectoryError: The data directory cannot be used.
    """
    async with open_backends(settings, findings) as backends:
        service, sweeper, concatenation = _build(settings, backends, clock, listener)
        if backends.keeps_house():
            await concatenation.resume_all()
        house = _House(sweeper, concatenation, backends.keeps_house, settings.sweep_interval)
        keeping_house = asyncio.create_task(house.keep())
        try:
            yield service
        finally:
            keeping_house.cancel()
            await asyncio.gather(keeping_house, return_exceptions=True)
            await concatenation.close()


@dataclass(frozen=True, slots=True)
class _House:
    """What one process of a server does for all of them, every *interval* seconds."""

    sweeper: Sweeper
    concatenation: Concatenation
    is_ours: Callable[[], bool]
    interval: float

    async def keep(self) -> None:
        """Remove what is over, and go on with what was left undone, for ever."""
        while True:
            await asyncio.sleep(self.interval)
            if self.is_ours():
                await self._tidy()

    async def _tidy(self) -> None:
        try:
            await self.sweeper.sweep_routinely()
            await self.concatenation.resume_all()
        except TusError as error:
            log.error(
                "Housekeeping failed and is tried again in %gs: %s", self.interval, error.message
            )


def _build(
    settings: Settings, backends: Backends, clock: Clock, listener: Listener
) -> tuple[UploadService, Sweeper, Concatenation]:
    policy = _policy(settings)
    concatenation = Concatenation(
        data=backends.data,
        state=backends.state,
        locks=backends.locks,
        policy=policy,
        clock=clock,
        listener=listener,
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
    )
    service = UploadService(
        state=backends.state,
        data=backends.data,
        locks=backends.locks,
        writer=writer,
        admission=Admission(
            backends.data,
            reserve=settings.disk_reserve,
            max_open=settings.max_open_uploads_per_address,
        ),
        concatenation=concatenation,
        sweeper=sweeper,
        policy=policy,
        clock=clock,
        new_id=lambda: secrets.token_hex(16),
        listener=listener,
    )
    return service, sweeper, concatenation


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
