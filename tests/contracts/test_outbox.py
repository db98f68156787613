"""What every outbox promises: `tusd_py.state.outbox`, sentence by sentence."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.contracts.examples import (
    LATER,
    THEN,
    WEEK,
    a_final,
    a_part,
    an_advance,
    an_upload,
    upload_id,
)
from tusd_py.errors import Displaced, StateError
from tusd_py.hooks.hook import CALLER, Caller, Message, Point
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.opening import open_sqlite
from tusd_py.state.outbox import Delivery, Recording
from tusd_py.state.sqlite import SqliteStore

#: Long after everything that the examples do.
NOW = THEN + 2 * WEEK
WHOLE = {"offset": 100, "state": UploadState.FINISHED, "finished_at": THEN}


class Compose:
    """Writes messages that show what they were made of, with ids 1, 2, 3..."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def __call__(self, point: Point, upload: Upload, caller: Caller) -> Message:
        made_of = {"offset": upload.offset, "parts": upload.parts, "method": caller.method}
        return Message(str(next(self._numbers)), upload.id, point, json.dumps(made_of))


@asynccontextmanager
async def opened(
    directory: Path, *targets: str, without: frozenset[Point] = frozenset()
) -> AsyncIterator[SqliteStore]:
    recording = Recording(frozenset(Point) - without, targets, Compose(), lambda: THEN)
    store = await open_sqlite(directory / "state.sqlite3", strict=False, recording=recording)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A store that tells two hooks of everything."""
    async with opened(tmp_path, "one", "two") as store:
        yield store


async def points(state: SqliteStore, target: str = "one") -> list[Point]:
    """Return what is to be told, in order."""
    found = await state.outbox.deliveries(limit=100)
    return [each.message.point for each in found if each.target == target]


async def the_due(state: SqliteStore, target: str = "one", now: float = NOW) -> list[str]:
    return [each.message.event_id for each in await state.outbox.due(target, now, 100)]


async def first_due(state: SqliteStore, target: str = "one", now: float = NOW) -> Delivery:
    (first, *_) = await state.outbox.due(target, now, 100)
    return first


# --- What is written with which change ---


async def test_life_of_an_upload_is_told_in_order_and_to_each(state: SqliteStore) -> None:
    await state.create(an_upload(1))
    await state.advance(an_advance())
    await state.advance(an_advance(from_offset=10, to_offset=100))
    await state.remove(upload_id(1))
    told = [Point.POST_CREATE, Point.POST_RECEIVE, Point.POST_FINISH, Point.POST_TERMINATE]
    assert await points(state, "one") == told
    assert await points(state, "two") == told


async def test_creation_with_all_bytes_is_two_events(state: SqliteStore) -> None:
    await state.create(an_upload(1, **WHOLE))
    created, finished = (await state.outbox.deliveries(limit=100))[::2]
    assert (created.message.point, finished.message.point) == (
        Point.POST_CREATE,
        Point.POST_FINISH,
    )
    assert json.loads(created.message.payload)["offset"] == 0
    assert json.loads(finished.message.payload)["offset"] == 100


async def test_creation_with_some_bytes_is_one_of_progress(state: SqliteStore) -> None:
    await state.create(an_upload(1, offset=10))
    assert await points(state) == [Point.POST_CREATE, Point.POST_RECEIVE]


async def test_empty_upload_is_finished_at_once(state: SqliteStore) -> None:
    await state.create(an_upload(1, length=0, state=UploadState.FINISHED, finished_at=THEN))
    assert await points(state) == [Point.POST_CREATE, Point.POST_FINISH]


async def test_step_back_and_declared_length_are_no_progress(state: SqliteStore) -> None:
    await state.create(an_upload(1, offset=10, length=None))
    await state.advance(an_advance(from_offset=10, to_offset=10, length=100))
    await state.advance(an_advance(from_offset=10, to_offset=5, length=100))
    assert await points(state) == [Point.POST_CREATE, Point.POST_RECEIVE]


async def test_final_upload_is_told_with_its_parts(state: SqliteStore) -> None:
    await state.create(a_final(3, 1, 2))
    await state.finish_final(upload_id(3), 20, LATER)
    assert await points(state) == [Point.POST_CREATE, Point.POST_FINISH]
    for each in await state.outbox.deliveries(limit=100):
        assert json.loads(each.message.payload)["parts"] == [upload_id(1), upload_id(2)]


async def test_expiry_is_told_and_its_tombstone_no_more(state: SqliteStore) -> None:
    await state.create(a_part(1))
    await state.expire(upload_id(1), NOW)
    await state.remove(upload_id(1))
    assert await points(state) == [Point.POST_CREATE, Point.POST_FINISH, Point.EXPIRED]


async def test_what_nobody_wants_is_not_written(tmp_path: Path) -> None:
    unwanted = frozenset({Point.POST_RECEIVE, Point.POST_TERMINATE})
    async with opened(tmp_path, "one", without=unwanted) as state:
        await state.create(an_upload(1))
        await state.advance(an_advance())
        await state.remove(upload_id(1))
        assert await points(state) == [Point.POST_CREATE]


async def test_store_without_hooks_writes_nothing(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path / "state.sqlite3", strict=False)
    await store.create(an_upload(1, **WHOLE))
    await store.remove(upload_id(1))
    assert await store.outbox.deliveries(limit=100) == []
    assert await store.outbox.put(an_upload(1), Point.POST_FINISH) is None
    await store.close()


async def test_change_that_is_not_made_is_not_told(state: SqliteStore) -> None:
    await state.create(an_upload(1))
    with pytest.raises(StateError):
        await state.create(an_upload(1))
    with pytest.raises(Displaced):
        await state.advance(an_advance(from_offset=50, to_offset=100))
    assert await state.expire(upload_id(1), THEN) is None
    assert await state.finish_final(upload_id(1), 5, LATER) is None
    assert await state.remove(upload_id(2)) is False
    assert await points(state) == [Point.POST_CREATE]


async def test_change_whose_message_cannot_be_written_is_not_made(tmp_path: Path) -> None:
    def fail(*_: object) -> Message:
        raise StateError("no message")

    recording = Recording(frozenset(Point), ("one",), fail, lambda: THEN)
    store = await open_sqlite(tmp_path / "state.sqlite3", strict=False, recording=recording)
    with pytest.raises(StateError):
        await store.create(an_upload(1))
    assert await store.find(upload_id(1)) is None
    await store.close()


async def test_message_is_of_the_request_that_made_the_change(state: SqliteStore) -> None:
    async def create(number: int, method: str) -> None:
        CALLER.set(Caller(method=method))
        await state.create(an_upload(number))

    await asyncio.gather(*(create(each, f"M{each}") for each in range(20)))
    for each in await state.outbox.deliveries(limit=100):
        number = int(each.message.upload_id, 16)
        assert json.loads(each.message.payload)["method"] == f"M{number}"


async def test_bell_rings_once_it_is_committed(state: SqliteStore) -> None:
    bell = state.outbox.bell()
    await state.create(an_upload(1))
    assert bell.is_set()


async def test_guest_tells_what_the_server_announced(tmp_path: Path) -> None:
    unwanted = frozenset({Point.POST_TERMINATE})
    async with opened(tmp_path, "one", "two", without=unwanted) as server:
        await server.outbox.announce()
        guest = await open_sqlite(tmp_path / "state.sqlite3", strict=False)
        await guest.outbox.adopt(Compose(), lambda: THEN)
        await guest.create(an_upload(1))
        await guest.remove(upload_id(1))
        await guest.close()
        assert await points(server, "one") == [Point.POST_CREATE]
        assert await points(server, "two") == [Point.POST_CREATE]
    async with opened(tmp_path, "three") as server:
        await server.outbox.announce()
        await server.outbox.announce()
        guest = await open_sqlite(tmp_path / "state.sqlite3", strict=False)
        await guest.outbox.adopt(Compose(), lambda: THEN)
        await guest.create(an_upload(2))
        await guest.close()
        assert len(await points(server, "three")) == 1
        assert len(await points(server, "one")) == 1


async def test_guest_of_a_server_without_hooks_tells_nobody(tmp_path: Path) -> None:
    guest = await open_sqlite(tmp_path / "state.sqlite3", strict=False)
    await guest.outbox.announce()
    await guest.outbox.adopt(Compose(), lambda: THEN)
    await guest.create(an_upload(1))
    assert await guest.outbox.deliveries(limit=9) == []
    await guest.close()


# --- Who is due ---


async def test_later_message_of_an_upload_waits_for_the_earlier_one(state: SqliteStore) -> None:
    await state.create(an_upload(1, **WHOLE))
    await state.create(an_upload(2, **WHOLE))
    assert await the_due(state) == ["1", "3"]
    await state.outbox.delivered(await first_due(state))
    assert await the_due(state) == ["2", "3"]
    assert await the_due(state, "two") == ["1", "3"], "each hook has its own order"


async def test_nothing_is_due_before_its_time(state: SqliteStore) -> None:
    await state.create(an_upload(1))
    assert await the_due(state, now=THEN - 1) == []
    assert await the_due(state, now=THEN) == ["1"]


async def test_postponed_message_keeps_the_whole_upload_back(state: SqliteStore) -> None:
    await state.create(an_upload(1, **WHOLE))
    await state.create(an_upload(2))
    await state.outbox.postpone(await first_due(state), until=NOW + 10, error="down")
    assert await the_due(state) == ["3"]
    assert await the_due(state, now=NOW + 10) == ["3", "1"]
    (_, again) = await state.outbox.due("one", NOW + 10, 100)
    assert (again.attempts, again.last_error, again.since) == (1, "down", THEN)
    await state.advance(an_advance(2))
    await state.remove(upload_id(1))
    assert await the_due(state) == ["3"], "what comes later does not overtake"


async def test_limit_is_kept(state: SqliteStore) -> None:
    for number in range(5):
        await state.create(an_upload(number))
    assert len(await state.outbox.due("one", NOW, 3)) == 3


# --- What becomes of messages ---


async def test_message_is_forgotten_with_its_last_delivery(state: SqliteStore) -> None:
    await state.create(an_upload(1))
    await state.outbox.delivered(await first_due(state, "one"))
    (left,) = await state.outbox.deliveries(limit=100)
    assert (left.target, left.message.event_id) == ("two", "1")
    await state.outbox.delivered(left)
    assert await state.outbox.deliveries(limit=100) == []
    assert await state.outbox.count() == (0, 0)


async def test_dead_message_is_kept_and_lets_the_next_one_go(state: SqliteStore) -> None:
    await state.create(an_upload(1, **WHOLE))
    await state.outbox.postpone(await first_due(state), until=NOW, error="down")
    await state.outbox.bury(await first_due(state), error="still down", now=NOW)
    assert await the_due(state) == ["2"]
    dead = next(each for each in await state.outbox.deliveries(limit=100) if each.is_dead)
    assert (dead.attempts, dead.last_error) == (2, "still down")
    assert await state.outbox.count() == (3, 1)


async def test_retried_message_begins_anew(state: SqliteStore) -> None:
    await state.create(an_upload(1))
    await state.outbox.bury(await first_due(state), error="down", now=NOW)
    assert await state.outbox.retry(["1"], NOW + 5) == 2
    again = await first_due(state, now=NOW + 5)
    assert (again.attempts, again.since, again.is_dead) == (0, NOW + 5, False)
    assert again.created_at == THEN
    assert await state.outbox.retry(["unknown"], NOW) == 0


async def test_all_dead_are_retried_or_dropped_and_no_others(state: SqliteStore) -> None:
    for number in range(3):
        await state.create(an_upload(number))
    for target in ("one", "two"):
        await state.outbox.bury(await first_due(state, target), error="down", now=NOW)
    assert await state.outbox.retry(None, NOW) == 2
    await state.outbox.bury(await first_due(state), error="down", now=NOW)
    assert await state.outbox.drop(None) == 1
    assert await state.outbox.count() == (5, 0)
    assert await state.outbox.drop(["1", "2"]) == 3
    assert await the_due(state) == ["3"]


async def test_messages_outlive_the_process_the_upload_and_its_tombstone(tmp_path: Path) -> None:
    async with opened(tmp_path, "one") as state:
        await state.create(a_part(1))
        await state.expire(upload_id(1), NOW)
        await state.forget_tombstones(NOW)
        await state.create(an_upload(2))
        await state.remove(upload_id(2))
    async with opened(tmp_path, "one") as state:
        assert await points(state) == [
            *(Point.POST_CREATE, Point.POST_FINISH, Point.EXPIRED),
            *(Point.POST_CREATE, Point.POST_TERMINATE),
        ]
        # A sequence is never given twice, even where all before it are gone.
        last = (await state.outbox.deliveries(limit=100))[-1].sequence
        await state.outbox.drop(["1", "2", "3", "4", "5"])
        await state.create(an_upload(3))
        assert (await first_due(state)).sequence > last


async def test_message_that_no_change_brings_about(state: SqliteStore) -> None:
    message = await state.outbox.put(an_upload(1, **WHOLE), Point.POST_FINISH)
    assert message is not None
    assert await the_due(state) == [message.event_id]
