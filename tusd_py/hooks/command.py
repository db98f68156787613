"""Carries a hook to a child process."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tusd_py.errors import HookUnavailable
from tusd_py.hooks.hook import Hook, Message, Reply
from tusd_py.hooks.reply import heard, read_reply

#: More than any sensible answer has.
_LONGEST_ANSWER: Final = 64 * 1024
#: Seconds; only a process that has left the group could still hold the pipe.
_DRAINED_WITHIN: Final = 1.0


class CommandHook(Hook):
    """
    Runs the program in *directory* that is named after the event, where there is one.

    It gets the JSON on its standard input, and answers on its standard output. Its standard error
    is the server's. Whoever stops waiting ends it, with all processes of its group.
    """

    def __init__(self, directory: Path) -> None:
        self.name = f"command:{directory}"
        self._directory = directory

    async def tell(self, message: Message) -> Reply:
        """Return once the program has ended with 0; any other end is no arrival."""
        return heard(await self._run(message))

    async def ask(self, message: Message) -> Reply:
        """Return what the program wrote, if it ended with 0; any other end says nothing."""
        return read_reply(await self._run(message))

    async def _run(self, message: Message) -> str:
        program = self._directory / message.point.value
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, **_variables(message)},
                cwd=self._directory,
                start_new_session=True,  # so that it can be ended with its children
            )
        except FileNotFoundError:
            if await asyncio.to_thread(program.exists):
                raise HookUnavailable("names an interpreter that is not there") from None
            return ""
        except OSError as error:
            raise HookUnavailable(f"cannot be run: {error.strerror or error}") from error
        try:
            answer = await _exchange(process, message.payload.encode())
            status = await process.wait()
        except BaseException:
            await _end(process)
            raise
        if status != 0:
            raise HookUnavailable(f"ended with status {status}")
        return answer.decode(errors="replace")


def _variables(message: Message) -> Mapping[str, str]:
    upload = json.loads(message.payload)["Event"]["Upload"]
    return {
        "TUS_ID": upload["ID"],
        "TUS_SIZE": str(upload["Size"]),
        "TUS_OFFSET": str(upload["Offset"]),
    }


async def _exchange(process: asyncio.subprocess.Process, data: bytes) -> bytes:
    """Write *data* and return what comes back; both at once, for either may be long."""
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise HookUnavailable("has no pipes")

    async def write() -> None:
        # A program that does not read is right, too.
        with suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(data)
            await stdin.drain()
            stdin.close()
            await stdin.wait_closed()

    answer = bytearray()

    async def read() -> None:
        while piece := await stdout.read(4096):
            answer.extend(piece)
            if len(answer) > _LONGEST_ANSWER:
                raise HookUnavailable(f"answered more than {_LONGEST_ANSWER} bytes")

    writing = asyncio.create_task(write())
    try:
        await read()
        await writing
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    return bytes(answer)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # What is left in the pipe has to be read first, or it stays open, and the end unseen.
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAINED_WITHIN):
            while process.stdout is not None and await process.stdout.read(_LONGEST_ANSWER):
                pass
            await process.wait()
