"""Asks hooks before the last byte is committed, and before an id of theirs is used."""

import asyncio

from tusd_py.errors import HookUnavailable, RefusedByHook, TransferEnded, TusError
from tusd_py.hooks.hook import Gate, Point
from tusd_py.locks.locker import Hold
from tusd_py.protocol.upload import Upload
from tusd_py.state.state_store import StateStore


async def ask_to_finish(gate: Gate, upload: Upload, hold: Hold) -> TusError | None:
    """
    Ask whether *upload* may be finished; return None, or why nobody can say that at the moment.

    Who wants the upload meanwhile gets it: what is asked may take longer than a client waits for
    its offset, and is asked again with the last byte.

    Raises:
        RefusedByHook: It may not.
    """
    wanted: list[TransferEnded] = []
    asking = asyncio.ensure_future(gate.finish(upload))

    def leave(reason: TransferEnded) -> None:
        wanted.append(reason)
        asking.cancel()

    hold.when_wanted(leave)
    try:
        await asking
    except asyncio.CancelledError:
        if not wanted:
            raise
        return wanted[0]
    except HookUnavailable as error:
        return error
    return None


async def check_free(upload: Upload, gate: Gate, state: StateStore) -> None:
    """
    Make sure that an id that a hook may have chosen belongs to no other upload.

    Raises:
        RefusedByHook: It does.
    """
    if gate.asks(Point.PRE_CREATE) and await state.find(upload.id) is not None:
        raise RefusedByHook("There is an upload of this id already.", 409)
