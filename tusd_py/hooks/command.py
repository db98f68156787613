"""Carries a hook to a child process."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from tusd_py.bounded_read import read_within
from tusd_py.errors import HookUnavailable
from tusd_py.hooks.hook import Hook, Message, Reply
from tusd_py.hooks.reply import heard, read_reply

#: More than any sensible answer has.
_LONGEST_ANSWER: Final = 64 * 1024
#: Seconds; only a process that waits for a broken disk outlives SIGKILL for longer.
_ENDED_WITHIN: Final = 1.0


class CommandHook(Hook):
    """
    Runs the program in *directory* that is named after the event, where there is one.

    It gets the JSON on its standard input, and answers on its standard output. Its standard error
    is the server's. Whoever stops waiting ends it, with all processes of its group.

    A start holds the event loop up for half a millisecond, whatever the server's size: CPython
    starts programs by vfork(2), and a thread would be no help, for none runs meanwhile. uvloop's
    own way is fork(2), which takes 16 ms in a process of 300 MB and 56 ms in one of 1 GB.
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
        process = self._start(message)
        if process is None:
            return ""
        try:
            answer = await _exchange(process, message.payload.encode())
            status = await asyncio.to_thread(process.wait)
        except BaseException:
            await _end(process)
            raise
        if status != 0:
            raise HookUnavailable(f"ended with status {status}")
        return answer.decode(errors="replace")

    def _start(self, message: Message) -> "subprocess.Popen[bytes] | None":
        """Start the program; None where there is none."""
        program = self._directory / message.point.value
        try:
            return subprocess.Popen(  # noqa: S603 - the operator's own, without a shell
                [program],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **_variables(message)},
                cwd=self._directory,
                start_new_session=True,  # so that it can be ended with its children
            )
        except FileNotFoundError:
            if program.exists():
                raise HookUnavailable("names an interpreter that is not there") from None
            return None
        except OSError as error:
            raise HookUnavailable(f"cannot be run: {error.strerror or error}") from error


def _variables(message: Message) -> Mapping[str, str]:
    upload = json.loads(message.payload)["Event"]["Upload"]
    return {
        "TUS_ID": upload["ID"],
        "TUS_SIZE": str(upload["Size"]),
        "TUS_OFFSET": str(upload["Offset"]),
    }


async def _exchange(process: "subprocess.Popen[bytes]", data: bytes) -> bytes:
    """Write *data* and return what comes back; both at once, for either may be long."""
    loop = asyncio.get_running_loop()
    answer = asyncio.StreamReader()
    stdin, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, process.stdin)
    if not stdin.is_closing():  # a program that does not read is right, and may have ended
        stdin.write(data)
        stdin.close()  # once everything is written, or nobody is left to read it
    stdout, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(answer), process.stdout
    )
    try:
        said = await read_within(partial(answer.read, 4096), _LONGEST_ANSWER)
    finally:
        stdout.close()
    if said is None:
        raise HookUnavailable(f"answered more than {_LONGEST_ANSWER} bytes")
    return said


async def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(_ENDED_WITHIN):
            await asyncio.to_thread(process.wait)
