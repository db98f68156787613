"""A hook that is a program: what it gets, what counts as its arrival, and how it is ended."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.examples import THEN, an_upload, upload_id
from tusd_py.errors import HookUnavailable
from tusd_py.hooks.command import CommandHook
from tusd_py.hooks.hook import Caller, Message, Point, Reply
from tusd_py.hooks.payload import Composer

Write = Callable[..., CommandHook]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the program of post-finish as a shell script, and return the hook that runs it."""

    def write(script: str, *, mode: int = 0o755, interpreter: str = "/bin/sh") -> CommandHook:
        program = tmp_path / "post-finish"
        program.write_text(f"#!{interpreter}\n{script}\n")
        program.chmod(mode)
        return CommandHook(tmp_path)

    return write


def a_message(metadata: str = "") -> Message:
    compose = Composer(
        path_of=lambda upload: Path(upload.id), new_id=lambda: "e1", clock=lambda: THEN
    )
    return compose(Point.POST_FINISH, an_upload(1, offset=7, metadata=metadata), Caller())


#: More than a pipe holds.
LONG = a_message("a " + "QUJD" * 100_000)


async def reason(hook: CommandHook) -> str:
    with pytest.raises(HookUnavailable) as caught:
        await hook.ask(a_message())
    return caught.value.reason


async def test_program_gets_the_json_and_the_variables(write: Write, tmp_path: Path) -> None:
    hook = write('cat > got; echo "$TUS_ID $TUS_SIZE $TUS_OFFSET" > variables')
    message = a_message()
    assert await hook.tell(message) == Reply()
    assert (tmp_path / "got").read_text() == message.payload
    assert (tmp_path / "variables").read_text() == f"{upload_id(1)} 100 7\n"
    assert hook.name == f"command:{tmp_path}"


async def test_program_answers_on_its_output(write: Write) -> None:
    hook = write('echo \'{"RejectUpload": true, "HTTPResponse": {"StatusCode": 403}}\'')
    reply = await hook.ask(a_message())
    assert (reply.rejects_upload, reply.answer.status) == (True, 403)
    assert (await hook.tell(a_message())).rejects_upload


async def test_event_without_a_program_is_nobodys(tmp_path: Path) -> None:
    assert await CommandHook(tmp_path).ask(a_message()) == Reply()


async def test_any_other_end_is_a_failure(write: Write) -> None:
    assert await reason(write("exit 3")) == "ended with status 3"
    assert await reason(write("kill -9 $$")) == "ended with status -9"
    assert "cannot be run" in await reason(write("exit 0", mode=0o644))
    assert "interpreter" in await reason(write("", interpreter="/nowhere/sh"))
    assert "no JSON" in await reason(write("echo nonsense"))
    assert "more than" in await reason(write("yes"))


async def test_what_a_told_program_writes_does_not_matter(write: Write) -> None:
    assert await write("echo nonsense").tell(a_message()) == Reply()


async def test_program_that_does_not_read_is_right(write: Write) -> None:
    assert await write("exit 0").tell(LONG) == Reply()


async def test_program_may_have_ended_before_it_is_written_to(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = subprocess.Popen

    def start_and_wait(*command: Any, **options: Any) -> "subprocess.Popen[bytes]":
        process = start(*command, **options)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        return process

    monkeypatch.setattr(subprocess, "Popen", start_and_wait)
    assert await write("exit 0").tell(a_message()) == Reply()
    assert await write("exit 0").tell(LONG) == Reply()
    assert await reason(write("exit 3")) == "ended with status 3"


async def test_program_that_reads_slowly_gets_everything(write: Write, tmp_path: Path) -> None:
    assert await write("sleep 0.2; cat > got").tell(LONG) == Reply()
    assert (tmp_path / "got").read_text() == LONG.payload


async def test_program_is_waited_for_that_has_nothing_more_to_say(
    write: Write, tmp_path: Path
) -> None:
    assert await write("exec >&-; sleep 0.2; touch done").tell(a_message()) == Reply()
    assert (tmp_path / "done").exists()


async def test_program_that_takes_too_long_is_ended_with_its_children(
    write: Write, tmp_path: Path
) -> None:
    hook = write("echo $$ > pid; sleep 60 & echo $! > child; wait")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await hook.tell(a_message())
    for name in ("pid", "child"):
        pid = int((tmp_path / name).read_text())
        deadline = time.monotonic() + 5
        while is_running(pid):
            assert time.monotonic() < deadline, name
            await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_many_run_side_by_side(write: Write, tmp_path: Path) -> None:
    hook = write("sleep 0.3; echo x >> count")
    began = time.monotonic()
    await asyncio.gather(*(hook.tell(a_message()) for _ in range(8)))
    assert time.monotonic() - began < 2
    assert (tmp_path / "count").read_text() == "x\n" * 8


async def test_server_leaves_no_descriptor_behind(write: Write) -> None:
    hook = write("exit 0")
    await hook.tell(a_message())
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count of names
    for _ in range(5):
        await hook.tell(a_message())
        assert json.loads(a_message().payload)["EventID"] == "e1"
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208 - as above
