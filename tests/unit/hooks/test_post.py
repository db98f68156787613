"""Deliveries: at least once, in order for each upload, uploads side by side, given up at last."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.contracts.examples import THEN, an_advance, an_upload, upload_id
from tests.contracts.test_outbox import WHOLE, Compose
from tusd_py.errors import HookUnavailable, LockTimeout, StateError, TusError, UploadNotFound
from tusd_py.hooks import post
from tusd_py.hooks.hook import Hook, Message, Point, Reply
from tusd_py.hooks.post import Terms, deliver_all, pause
from tusd_py.metrics import Metrics
from tusd_py.state.opening import open_sqlite
from tusd_py.state.outbox import Recording
from tusd_py.state.sqlite import SqliteStore

HOUR = 3600.0


class ScriptedHook(Hook):
    """Fails where *fail* raises, and remembers every message that it was told."""

    def __init__(self, name: str = "one") -> None:
        self.name = name
        self.told: list[Message] = []
        self.arrived: list[Message] = []
        self.fail: Callable[[Message], None] = lambda _: None
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_once = 0
        self.most = 0
        self.reply = Reply()

    async def ask(self, message: Message) -> Reply:
        raise AssertionError(message)

    async def tell(self, message: Message) -> Reply:
        self.told.append(message)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.gate.wait()
            self.fail(message)
        finally:
            self.at_once -= 1
        self.arrived.append(message)
        return self.reply

    def ids(self) -> list[str]:
        return [message.event_id for message in self.arrived]


class Counting(Metrics):
    """Counts what happens."""

    def __init__(self) -> None:
        self.delivered = self.failures = 0
        self.waiting = (0, 0)

    def hook_delivered(self) -> None:
        self.delivered += 1

    def hook_failed(self) -> None:
        self.failures += 1

    def hooks_waiting(self, pending: int, dead: int) -> None:
        self.waiting = (pending, dead)


@dataclass
class Scene:
    """A store with a hook, whose time a test moves."""

    state: SqliteStore
    hook: ScriptedHook
    meter: Counting = field(default_factory=Counting)
    now: float = THEN
    ours: bool = True
    stopped: list[str] = field(default_factory=list)
    stop_fails: list[TusError] = field(default_factory=list)

    async def stop(self, upload_id: str) -> None:
        self.stopped.append(upload_id)
        if self.stop_fails:
            raise self.stop_fails.pop()

    def has_failed(self, times: int) -> bool:
        return self.meter.failures == times

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def delivering(self, *hooks: Hook, within: float = 5.0) -> AsyncIterator[None]:
        terms = Terms(
            is_ours=lambda: self.ours,
            timeout=within,
            give_up_after=HOUR,
            clock=lambda: self.now,
            chance=lambda: 0.5,
            stop=self.stop,
        )
        chosen = hooks or (self.hook,)
        task = asyncio.create_task(deliver_all(chosen, self.state.outbox, terms, self.meter))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "_LOOK_EVERY", 0.02)
    monkeypatch.setattr(post, "_COUNT_EVERY", 0.02)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    recording = Recording(frozenset(Point), ("one", "two"), Compose(), lambda: THEN)
    state = await open_sqlite(tmp_path / "state.sqlite3", strict=False, recording=recording)
    yield Scene(state, ScriptedHook())
    await state.close()


def down(_: Message) -> None:
    raise HookUnavailable("down")


async def test_message_arrives_and_is_forgotten(scene: Scene) -> None:
    async with scene.delivering():
        await scene.state.create(an_upload(1, **WHOLE))
        await scene.until(lambda: scene.meter.delivered == 2)
    assert scene.hook.ids() == ["1", "2"]
    assert await scene.state.outbox.due("one", THEN + HOUR, 10) == []


async def test_message_of_another_process_is_found(scene: Scene, tmp_path: Path) -> None:
    recording = Recording(frozenset(Point), ("one",), Compose(), lambda: THEN)
    other = await open_sqlite(tmp_path / "state.sqlite3", strict=False, recording=recording)
    async with scene.delivering():
        await other.create(an_upload(1))
        await scene.until(lambda: scene.hook.arrived)
    await other.close()


async def test_failing_first_message_holds_those_of_its_upload_back_and_no_others(
    scene: Scene,
) -> None:
    def fail_first(message: Message) -> None:
        if message.event_id == "1":
            down(message)

    scene.hook.fail = fail_first
    await scene.state.create(an_upload(1, **WHOLE))
    await scene.state.create(an_upload(2, **WHOLE))
    async with scene.delivering():
        await scene.until(lambda: scene.hook.ids() == ["3", "4"])
        await scene.state.remove(upload_id(1))
        scene.now += 1.4
        await asyncio.sleep(0.1)
        assert scene.hook.ids() == ["3", "4"], "it is not tried again before its time"
        assert [each.event_id for each in scene.hook.told].count("1") == 1
        scene.hook.fail = lambda _: None
        scene.now += 0.2
        await scene.until(lambda: scene.hook.ids() == ["3", "4", "1", "2", "5"])
    assert scene.meter.failures == 1


async def test_message_is_the_same_however_often_it_is_told(scene: Scene) -> None:
    scene.hook.fail = down
    await scene.state.create(an_upload(1))
    async with scene.delivering():
        for count in range(1, 5):
            await scene.until(partial(scene.has_failed, count))
            scene.now += HOUR / 10
    assert len(set(scene.hook.told)) == 1


async def test_uploads_go_side_by_side_up_to_a_bound(scene: Scene) -> None:
    scene.hook.gate.clear()
    for number in range(40):
        await scene.state.create(an_upload(number))
    async with scene.delivering():
        await scene.until(lambda: scene.hook.at_once == 16)
        await asyncio.sleep(0.1)
        scene.hook.gate.set()
        await scene.until(lambda: len(scene.hook.arrived) == 40)
    assert scene.hook.most == 16
    assert len(set(scene.hook.ids())) == 40


async def test_slow_hook_keeps_no_other_waiting(scene: Scene) -> None:
    slow, quick = scene.hook, ScriptedHook("two")
    slow.gate.clear()
    async with scene.delivering(slow, quick):
        for number in range(40):
            await scene.state.create(an_upload(number))
        await scene.until(lambda: len(quick.arrived) == 40)
        slow.gate.set()
        await scene.until(lambda: len(slow.arrived) == 40)


async def test_silent_hook_was_not_told(scene: Scene) -> None:
    scene.hook.gate.clear()
    await scene.state.create(an_upload(1))
    async with scene.delivering(within=0.05):
        await scene.until(lambda: scene.meter.failures == 1)
        scene.hook.gate.set()
        scene.now += 2
        await scene.until(lambda: scene.hook.arrived)


async def test_given_up_message_is_dead_and_the_next_one_goes_on(scene: Scene) -> None:
    def fail_first(message: Message) -> None:
        if message.event_id == "1":
            down(message)

    scene.hook.fail = fail_first
    await scene.state.create(an_upload(1, **WHOLE))
    async with scene.delivering():
        await scene.until(lambda: scene.meter.failures == 1)
        scene.now += HOUR
        await scene.until(lambda: scene.hook.ids() == ["2"])
        await scene.until(lambda: scene.meter.waiting == (2, 1))
    dead = [each for each in await scene.state.outbox.deliveries(limit=9) if each.is_dead]
    assert [(each.message.event_id, each.last_error) for each in dead] == [("1", "down")]


async def test_bug_in_a_hook_stops_nobody(scene: Scene) -> None:
    def fail(message: Message) -> None:
        if message.event_id == "1":
            raise RuntimeError("a bug")

    scene.hook.fail = fail
    await scene.state.create(an_upload(1))
    await scene.state.create(an_upload(2))
    async with scene.delivering():
        await scene.until(lambda: scene.hook.ids() == ["2"])
        await scene.until(lambda: scene.meter.failures == 1)
    (first, *_) = await scene.state.outbox.deliveries(limit=9)
    assert first.last_error == "RuntimeError: a bug"


async def test_failing_store_is_asked_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    working = scene.state.outbox.due

    async def fail(*_: object) -> list:
        monkeypatch.setattr(scene.state.outbox, "due", working)
        raise StateError("no state")

    monkeypatch.setattr(scene.state.outbox, "due", fail)
    await scene.state.create(an_upload(1))
    async with scene.delivering():
        await scene.until(lambda: scene.hook.arrived)


async def test_only_who_keeps_house_delivers(scene: Scene) -> None:
    scene.ours = False
    await scene.state.create(an_upload(1))
    async with scene.delivering():
        await asyncio.sleep(0.1)
        assert scene.hook.told == []
        scene.ours = True
        await scene.until(lambda: scene.hook.arrived)


async def test_what_is_cut_off_is_told_again(scene: Scene) -> None:
    scene.hook.gate.clear()
    await scene.state.create(an_upload(1))
    async with scene.delivering():
        await scene.until(lambda: scene.hook.told)
    scene.hook.gate.set()
    async with scene.delivering():
        await scene.until(lambda: scene.hook.ids() == ["1"])
    assert scene.hook.at_once == 0


async def test_hundred_events_of_one_upload_keep_their_order(scene: Scene) -> None:
    await scene.state.create(an_upload(1, length=1000))
    async with scene.delivering():
        for offset in range(0, 990, 10):
            move = an_advance(from_offset=offset, to_offset=offset + 10, length=1000)
            await scene.state.advance(move)
        await scene.until(lambda: len(scene.hook.arrived) == 100)
    assert scene.hook.ids() == [str(number) for number in range(1, 101)]


async def test_progress_is_where_a_hook_can_stop_an_upload(scene: Scene) -> None:
    scene.hook.reply = Reply(stops=True)
    async with scene.delivering():
        await scene.state.create(an_upload(1))
        await scene.state.advance(an_advance())
        await scene.state.create(an_upload(2, **WHOLE))
        await scene.until(lambda: scene.meter.delivered == 4)
    assert scene.stopped == [upload_id(1)]


async def test_stop_that_fails_is_tried_with_the_message_again(scene: Scene) -> None:
    scene.hook.reply = Reply(stops=True)
    scene.stop_fails = [UploadNotFound(), LockTimeout()]
    await scene.state.create(an_upload(1, offset=10))
    async with scene.delivering():
        await scene.until(lambda: scene.meter.delivered == 2)
    assert scene.stopped == [upload_id(1)] * 2


@pytest.mark.parametrize(
    ("failures", "chance", "retry_after", "seconds"),
    [
        (0, 0.0, None, 1),
        (0, 0.5, None, 1.5),
        (3, 0.0, None, 8),
        (11, 0.0, None, 1800),
        (5000, 0.0, None, 1800),
        (5000, 0.999, None, 3598.2),
        (0, 0.0, 0.0, 1),
        (0, 0.0, 40.0, 40),
        (0, 0.0, 1e9, 3600),
        (3, 0.0, 2.0, 8),
    ],
)
def test_pauses(failures: int, chance: float, retry_after: float | None, seconds: float) -> None:
    assert pause(failures, chance, retry_after) == pytest.approx(seconds)
