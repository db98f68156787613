"""Holds that several processes share: each locker here stands for one of them, or really is one."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tests.contracts.examples import upload_id
from tusd_py.errors import Displaced, LockTimeout, ServerStopping, TransferEnded
from tusd_py.locks.epochs import Epochs, base_above
from tusd_py.locks.file import FileLocker
from tusd_py.locks.locker import Hold

A, B = upload_id(0xA), upload_id(0xB)
PATIENCE = 10.0
CHECKOUT = Path(__file__).parents[3]

#: Holds an upload until it is told otherwise by a signal.
HOLDER = """
import asyncio, sys
from pathlib import Path
from tusd_py.locks.epochs import Epochs
from tusd_py.locks.file import FileLocker

async def main():
    locker = FileLocker(Path(sys.argv[1]), new_epoch=Epochs(0), timeout=10)
    async with locker.hold(sys.argv[2]) as hold:
        wanted = asyncio.Event()
        hold.when_wanted(lambda _: wanted.set())
        print(hold.epoch, flush=True)
        await wanted.wait()
    print("left", flush=True)
    await locker.close()

asyncio.run(main())
"""

MakeLocker = Callable[..., FileLocker]


@pytest.fixture
async def make_locker(tmp_path: Path) -> AsyncIterator[MakeLocker]:
    made: list[FileLocker] = []

    def make(timeout: float = PATIENCE, directory: Path = tmp_path) -> FileLocker:
        made.append(FileLocker(directory, new_epoch=Epochs(0), timeout=timeout))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@contextmanager
def holder_elsewhere(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has A, once it has it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory), A],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert process.stdout is not None
    try:
        assert int(process.stdout.readline()) > 0
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)
        process.stdout.close()


def sockets(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.sock"))


async def leave_when_wanted(hold: Hold) -> TransferEnded:
    wanted: asyncio.Future[TransferEnded] = asyncio.get_running_loop().create_future()
    hold.when_wanted(wanted.set_result)
    return await wanted


@asynccontextmanager
async def held_politely(locker: FileLocker) -> AsyncIterator["asyncio.Task[TransferEnded]"]:
    """A is held by somebody who leaves when asked; the task tells why."""
    inside = asyncio.Event()

    async def visit() -> TransferEnded:
        async with locker.hold(A) as hold:
            inside.set()
            return await leave_when_wanted(hold)

    task = asyncio.create_task(visit())
    await asyncio.wait_for(inside.wait(), PATIENCE)
    yield task
    task.cancel()


# --- Between processes ---


async def test_newcomer_elsewhere_is_let_in_at_once(make_locker: MakeLocker) -> None:
    here, there = make_locker(), make_locker()
    async with held_politely(here) as holder:
        assert here.is_held(A)
        assert there.is_held(A)
        assert not there.is_held(B)
        asked = time.monotonic()
        async with asyncio.timeout(PATIENCE), there.hold(A):
            # Without the word that the upload is free it would be 50 ms at least.
            assert time.monotonic() - asked < 0.045
            assert isinstance(await holder, Displaced)
    assert not here.is_held(A)


async def test_watcher_elsewhere_is_seen_and_disturbs_nobody(make_locker: MakeLocker) -> None:
    here, there, elsewhere = make_locker(), make_locker(), make_locker()
    async with here.hold(A) as hold:
        with there.watch(A):
            with elsewhere.watch(A), elsewhere.watch(A):
                assert hold.is_watched()
            assert hold.is_watched()
            assert not here.is_watched(B)
        assert not hold.is_watched()
        assert hold.wanted is None


async def test_racers_of_several_lockers_are_never_inside_together(make_locker: MakeLocker) -> None:
    lockers = [make_locker(30.0) for _ in range(3)]
    numbers = random.Random(3)
    inside = entered = 0
    epochs: list[int] = []

    async def one(locker: FileLocker) -> None:
        nonlocal inside, entered
        await asyncio.sleep(numbers.random() / 50)
        async with locker.hold(A) as hold:
            inside, entered = inside + 1, entered + 1
            assert inside == 1
            epochs.append(hold.epoch)
            await asyncio.sleep(numbers.random() / 200)
            inside -= 1

    async with asyncio.timeout(30):
        await asyncio.gather(*(one(lockers[number % 3]) for number in range(45)))
    assert entered == 45
    assert epochs == sorted(set(epochs)), "each hold has a larger epoch than the one before"


async def test_newcomers_of_both_lockers_get_their_turn(make_locker: MakeLocker) -> None:
    """One who waits for the other process keeps its turn when a neighbour comes after it."""
    here, there = make_locker(), make_locker()
    async with held_politely(here):
        async with asyncio.timeout(PATIENCE):
            turns = await asyncio.gather(*(visit(there) for _ in range(5)))
    assert sorted(turns) == turns


async def visit(locker: FileLocker) -> float:
    async with locker.hold(A):
        return time.monotonic()


async def test_process_that_does_not_let_go_is_waited_for_no_longer_than_asked(
    make_locker: MakeLocker,
) -> None:
    here, there = make_locker(), make_locker(timeout=0.2)
    async with here.hold(A):
        began = time.monotonic()
        with pytest.raises(LockTimeout):
            async with there.hold(A):
                pass
        assert 0.2 <= time.monotonic() - began < 0.5
    async with asyncio.timeout(PATIENCE), there.hold(A):
        pass  # the one who gave up left nothing behind


async def test_whoever_waits_hears_that_the_server_stops(make_locker: MakeLocker) -> None:
    here, there = make_locker(), make_locker()
    async with here.hold(A):
        waiter = asyncio.create_task(visit(there))
        await asyncio.sleep(0.02)
        there.stop()
        with pytest.raises(ServerStopping):
            await asyncio.wait_for(waiter, PATIENCE)


async def test_whoever_is_cancelled_while_waiting_leaves_no_trace(make_locker: MakeLocker) -> None:
    here, there = make_locker(), make_locker()
    async with here.hold(A):
        waiter = asyncio.create_task(visit(there))
        await asyncio.sleep(0.02)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        assert not there._freed
    async with asyncio.timeout(1), there.hold(A):
        pass


# --- Processes that die ---


async def test_killed_process_holds_nothing(make_locker: MakeLocker, tmp_path: Path) -> None:
    locker = make_locker()
    with holder_elsewhere(tmp_path) as process:
        assert locker.is_held(A)
        process.kill()
        began = time.monotonic()
        async with asyncio.timeout(PATIENCE), locker.hold(A):
            assert time.monotonic() - began < 0.3


async def test_killed_process_leaves_no_socket_for_long(
    make_locker: MakeLocker, tmp_path: Path
) -> None:
    with holder_elsewhere(tmp_path) as process:
        process.kill()
        process.wait(PATIENCE)
    assert len(sockets(tmp_path)) == 1
    here, there = make_locker(), make_locker(timeout=0.1)
    async with here.hold(A):
        with pytest.raises(LockTimeout):
            await visit(there)  # asks around, and finds nobody behind that socket
    assert len(sockets(tmp_path)) == 2


async def test_stopped_process_keeps_its_upload_and_leaves_when_it_goes_on(
    make_locker: MakeLocker, tmp_path: Path
) -> None:
    """Its last write may still be under way, so nobody may take the upload from it."""
    with holder_elsewhere(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(LockTimeout):
            await visit(make_locker(timeout=0.2))
        process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(PATIENCE), make_locker().hold(A):
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "left\n"


# --- What is on disk ---


async def test_nothing_is_created_for_a_hold_and_sockets_go(tmp_path: Path) -> None:
    locker = FileLocker(tmp_path, new_epoch=Epochs(0), timeout=PATIENCE)
    before = sizes(tmp_path)
    async with locker.hold(A), locker.hold(B):
        assert sizes(tmp_path) == before
    await locker.close()
    assert sizes(tmp_path) == dict.fromkeys("0123456789abcdef", 0)


def sizes(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in directory.iterdir()}


async def test_long_path_is_no_obstacle(make_locker: MakeLocker, tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 40) / ("longer" * 20)
    directory.mkdir(parents=True)
    here, there = make_locker(directory=directory), make_locker(directory=directory)
    async with held_politely(here), asyncio.timeout(PATIENCE), there.hold(A):
        pass


@pytest.mark.parametrize(
    "message", [b"", b"want", b"free", b"want " + A.encode(), b"\xff\xfe \0", b"x" * 500, b" " * 99]
)
async def test_message_that_makes_no_sense_is_passed_over(
    make_locker: MakeLocker, tmp_path: Path, message: bytes
) -> None:
    locker = make_locker()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        [address] = sockets(tmp_path)
        sender.sendto(message, str(address))
    async with locker.hold(A) as hold:
        await asyncio.sleep(0.01)
        assert hold.wanted is None


# --- Epochs ---


def test_epochs_grow_within_and_across_processes() -> None:
    one, other = Epochs(0), Epochs(0)
    numbers = [next_epoch() for _ in range(1000) for next_epoch in (one, other)]
    assert numbers == sorted(set(numbers))


def test_epochs_are_above_what_was_before_a_boot() -> None:
    before_the_boot = time.monotonic_ns() * 1000
    epochs = Epochs(base_above(before_the_boot))
    assert before_the_boot < epochs() < epochs() < before_the_boot + 10**12
    assert base_above(5) == 0
