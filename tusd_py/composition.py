"""Puts the service together from settings and back ends, and takes it apart again."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tusd_py.backends import Backends, open_backends
from tusd_py.config.model import Settings
from tusd_py.errors import TusError
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
    settings: Settings, *, exclusive: bool, clock: Clock = time.time
) -> AsyncIterator[UploadService]:
    """
    Open the data directory and yield the service that acts on it.

    Args:
        settings: What is where.
        exclusive: Whether to be the one server of the directory: recover what a crash left, and
            sweep. Otherwise be a guest beside it, as the command line is.
        clock: Returns seconds since the epoch.

    Raises:
        DataDirectoryError: The data directory cannot be used, or another server uses it.
    """
    async with open_backends(settings, exclusive=exclusive) as backends:
        service, sweeper, concatenation = _build(settings, backends, clock)
        if not exclusive:
            yield service
            return
        report = await recover(backends.state, backends.data)
        log.info("Recovered: %s", report)
        await concatenation.resume_all()
        interval = settings.sweep_interval
        keeping_house = asyncio.create_task(_keep_house(sweeper, concatenation, interval))
        try:
            yield service
        finally:
            keeping_house.cancel()
            await asyncio.gather(keeping_house, return_exceptions=True)
            await concatenation.close()


async def _keep_house(sweeper: Sweeper, concatenation: Concatenation, interval: float) -> None:
    """Every *interval* seconds, remove what is over and go on with what was left undone."""
    while True:
        await asyncio.sleep(interval)
        try:
            await sweeper.sweep_routinely()
            await concatenation.resume_all()
        except TusError as error:
            log.error("Housekeeping failed and is tried again in %gs: %s", interval, error.message)


def _build(
    settings: Settings, backends: Backends, clock: Clock
) -> tuple[UploadService, Sweeper, Concatenation]:
    policy = _policy(settings)
    concatenation = Concatenation(
        data=backends.data,
        state=backends.state,
        policy=policy,
        clock=clock,
        listener=log_event,
    )
    sweeper = Sweeper(
        state=backends.state,
        data=backends.data,
        retention=Retention(settings.keep_tombstones, settings.orphan_grace),
        clock=clock,
        listener=log_event,
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
        admission=Admission(backends.data, reserve=settings.disk_reserve),
        concatenation=concatenation,
        sweeper=sweeper,
        policy=policy,
        clock=clock,
        new_id=lambda: secrets.token_hex(16),
        listener=log_event,
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
