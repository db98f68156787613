"""What does not agree is found, what moves is not, and nothing is mended unasked."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.contracts.examples import THEN, a_final, a_part, an_upload, upload_id
from tests.unit.uploads.conftest import World
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.storage.data_store import Evidence, Fault, Inspection
from tusd_py.uploads.expiration import UNBORN_GRACE
from tusd_py.uploads.recovery import SUSPICIOUS
from tusd_py.uploads.verification import Finding, Verification, judge, judge_final

FINISHED = {"state": UploadState.FINISHED, "finished_at": THEN, "expires_at": None}
OLD, NEW = THEN - UNBORN_GRACE - 1, THEN - UNBORN_GRACE + 1


def data_of(upload: Upload, size: int | None, *, modified_at: float = OLD) -> Evidence:
    return Evidence(upload.id, size, modified_at, upload)


def judged(row: Upload | None, evidence: Evidence | None) -> str | None:
    finding = judge(row, evidence, unborn_since=THEN - UNBORN_GRACE)
    return None if finding is None else finding.code


# --- judge ---


@pytest.mark.parametrize(
    ("row", "size"),
    [
        (an_upload(1), 0),
        (an_upload(1), 100),
        (an_upload(1, offset=5), 5),
        (an_upload(1, offset=5), 99),
        (an_upload(1, offset=5, length=None), 99),
        (an_upload(1, length=7, offset=7, **FINISHED), 7),
        (an_upload(1, length=0, **FINISHED), 0),
        (a_part(1), 10),
        (a_final(1, 2, 3), 0),
        (a_final(1, 2, 3, length=100), 50),
        (a_final(1, 2, 2, length=20, offset=20, **FINISHED), 20),
        (an_upload(1, offset=99, state=UploadState.EXPIRED), 0),
        (an_upload(1, offset=99, state=UploadState.EXPIRED), 99),
        (an_upload(1, length=7, offset=7, state=UploadState.CHECKING), 7),
        (an_upload(1, length=7, offset=7, state=UploadState.MOVED), 7),  # for the sweeper
        (an_upload(1, offset=99), None),  # it cannot be read, which is a fault of its own
        (replace(a_final(1, length=9, offset=9, **FINISHED), concat="final;", parts=()), 9),
    ],
)
def test_what_agrees_is_no_finding(row: Upload, size: int | None) -> None:
    assert judged(row, data_of(row, size)) is None
    without_witness = replace(data_of(row, size), witness=None)
    assert judged(row, without_witness) is None


@pytest.mark.parametrize(
    ("row", "size", "code"),
    [
        (an_upload(1, offset=5), 4, "offset_beyond_data"),
        (an_upload(1, offset=5, length=None), 0, "offset_beyond_data"),
        (an_upload(1, length=7, offset=7, **FINISHED), 6, "data_too_short"),
        (an_upload(1, length=7, offset=7, **FINISHED), 8, "data_too_long"),
        (a_part(1), 0, "data_too_short"),
        (a_final(1, 2, length=7, offset=7, **FINISHED), 6, "data_too_short"),
        (an_upload(1, length=7, offset=6, **FINISHED), 6, "upload_inconsistent"),
        (an_upload(1, length=None, offset=6, **FINISHED), 6, "upload_inconsistent"),
        (an_upload(1, length=7, offset=8), 8, "upload_inconsistent"),
        (a_final(1, 2, state=UploadState.OPEN), 0, "upload_inconsistent"),
        (an_upload(1, state=UploadState.CONCATENATING), 0, "upload_inconsistent"),
        (replace(a_final(1, 2, 3), parts=(upload_id(2),)), 0, "upload_inconsistent"),
    ],
)
def test_what_does_not_agree_is_found(row: Upload, size: int, code: str) -> None:
    assert judged(row, data_of(row, size)) == code


@pytest.mark.parametrize(
    "row", [an_upload(1), a_part(1), a_final(1, 2), an_upload(1, length=0, **FINISHED)]
)
def test_upload_without_data_is_found_but_no_tombstone(row: Upload) -> None:
    assert judged(row, None) == "upload_without_data"
    assert judged(replace(row, state=UploadState.EXPIRED), None) is None


@pytest.mark.parametrize(
    ("size", "modified_at", "code"),
    [
        (0, NEW, None),
        (0, OLD, "data_without_upload"),
        (1, NEW, "data_without_upload"),
        (1, OLD, "data_without_upload"),
    ],
)
def test_data_without_upload_is_found_but_no_creation_under_way(
    size: int, modified_at: float, code: str | None
) -> None:
    assert judged(None, data_of(an_upload(1), size, modified_at=modified_at)) == code


@pytest.mark.parametrize(
    ("known", "differs"),
    [
        ({"owner": "eve"}, True),
        ({"length": 99}, True),
        ({"metadata": "other"}, True),
        ({"length": None}, False),  # declared later
        ({"metadata": None}, False),  # there was no room
        ({"offset": 77, "created_at": 1.0, "state": UploadState.FINISHED}, False),
    ],
)
def test_witness_has_to_say_what_the_state_says(known: dict[str, Any], differs: bool) -> None:
    row = an_upload(1, owner="ann", metadata="name")
    evidence = replace(data_of(row, 0), witness=replace(row, **known))
    assert judged(row, evidence) == ("witness_differs" if differs else None)


@pytest.mark.parametrize(
    ("final", "parts", "code"),
    [
        (a_final(1, 2, 3), [a_part(2), an_upload(3)], None),
        (a_final(1, 2, 3), [a_part(2), None], "final_without_parts"),
        (
            a_final(1, 2, 3),
            [a_part(2), an_upload(3, state=UploadState.EXPIRED)],
            "final_without_parts",
        ),
        (a_final(1, 2, 2, length=20, offset=20, **FINISHED), [a_part(2), a_part(2)], None),
        (a_final(1, 2, 3, length=20, offset=20, **FINISHED), [a_part(2), None], None),
        (
            a_final(1, 2, 3, length=21, offset=21, **FINISHED),
            [a_part(2), a_part(3)],
            "upload_inconsistent",
        ),
    ],
)
def test_final_and_parts_have_to_fit(
    final: Upload, parts: list[Upload | None], code: str | None
) -> None:
    finding = judge_final(final, parts)
    assert (finding and finding.code) == code


# --- run ---


class ShownData(Inspection):
    """Shows what a test says there is, and notes what is done to it."""

    def __init__(self) -> None:
        self.shown: dict[str, Evidence] = {}
        self.wrong: list[Fault] = []
        self.done: list[str] = []
        self.before_looking_again: Callable[[], Awaitable[object]] | None = None

    def show(self, upload: Upload, size: int, **more: Any) -> None:
        self.shown[upload.id] = replace(data_of(upload, size), **more)

    async def faults(self) -> list[Fault]:
        return self.wrong

    async def look(self, prefix: str) -> list[Evidence]:
        return [each for each in self.shown.values() if each.upload_id.startswith(prefix)]

    async def look_again(self, upload_id: str) -> Evidence | None:
        if self.before_looking_again is not None:
            await self.before_looking_again()
        return self.shown.get(upload_id)

    async def mend(self, fault: Fault) -> bool:
        self.done.append(fault.code)
        return fault.code == "file_mode"

    async def bear_witness(self, upload: Upload) -> None:
        self.done.append(f"witness {upload.owner}")

    async def put_aside(self, upload_id: str) -> str:
        self.done.append("aside")
        return f"unowned/{upload_id}"


@pytest.fixture
def data() -> ShownData:
    return ShownData()


async def run(world: World, data: ShownData, *, repairs: bool = False) -> list[Finding]:
    progress: list[float] = []
    verification = Verification(world.rows, data, clock=world.clock, repairs=repairs)
    findings = [each async for each in verification.run(progress.append)]
    assert progress == sorted(progress)
    assert progress[-1:] in ([1.0], [])
    return findings


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


async def test_looking_changes_nothing(world: World, data: ShownData) -> None:
    uploads = [an_upload(1, offset=5), an_upload(2, offset=5), an_upload(3)]
    for upload in uploads:
        await world.rows.create(upload)
    data.show(uploads[0], 3)
    data.show(uploads[2], 0, witness=replace(uploads[2], owner="eve"))
    data.wrong = [Fault("file_mode", "x", "has a wrong mode", "makes it right", can_mend=True)]
    found = await run(world, data)
    expected = ["file_mode", "offset_beyond_data", "upload_without_data", "witness_differs"]
    assert codes(found) == expected
    assert all(each.can_repair and not each.is_repaired for each in found)
    assert data.done == []
    assert await world.rows.named("") == uploads


async def test_repair_mends_what_can_be_mended_and_has_nothing_left_to_do(
    world: World, data: ShownData
) -> None:
    short, gone, other = an_upload(1, offset=5), an_upload(2, offset=5), an_upload(3, owner="ann")
    damaged = an_upload(4, length=9, offset=9, **FINISHED)
    for upload in (short, gone, other, damaged):
        await world.rows.create(upload)
    data.show(short, 3)
    data.show(other, 0, witness=replace(other, owner="eve"))
    data.show(damaged, 5)
    data.show(an_upload(5), 7)
    data.wrong = [
        Fault("file_mode", "x", "has a wrong mode", "makes it right", can_mend=True),
        Fault("file_owner", "x", "is of somebody else", "gives it back", can_mend=True),
        Fault("not_a_file", "y", "is in the way", "move it away", can_mend=False),
    ]
    found = await run(world, data, repairs=True)
    assert {each.code: each.is_repaired for each in found} == {
        "file_mode": True,
        "file_owner": False,
        "not_a_file": False,
        "offset_beyond_data": True,
        "upload_without_data": True,
        "witness_differs": True,
        "data_too_short": False,
        "data_without_upload": False,
    }
    assert data.done == ["file_mode", "file_owner", "witness ann"]
    assert await world.rows.named("") == [replace(short, offset=3), other, damaged]
    data.show(other, 0)
    data.wrong = []
    again = await run(world, data, repairs=True)
    assert codes(again) == ["data_too_short", "data_without_upload"]


async def test_missing_volume_forgets_nobody(world: World, data: ShownData) -> None:
    for number in range(SUSPICIOUS):
        await world.rows.create(an_upload(number))
    for repairs in (False, True):
        assert codes(await run(world, data, repairs=repairs)) == ["no_data_at_all"]
    assert await world.rows.count_living(100) == SUSPICIOUS
    data.show(an_upload(0), 0)
    assert codes(await run(world, data)) == ["upload_without_data"] * (SUSPICIOUS - 1)


async def test_what_moves_meanwhile_is_no_finding(world: World, data: ShownData) -> None:
    """A creation, a chunk and a removal each change data and state one after the other."""
    growing, going = an_upload(1, offset=5), an_upload(2)
    for upload in (growing, going):
        await world.rows.create(upload)
    data.show(growing, 3)

    async def move_on() -> None:
        data.show(growing, 50)
        await world.rows.remove(going.id)

    data.before_looking_again = move_on
    assert await run(world, data) == []


async def test_upload_that_changes_while_it_is_looked_at_is_left_alone(
    world: World, data: ShownData
) -> None:
    upload = an_upload(1, offset=5)
    await world.rows.create(upload)
    data.show(upload, 3)

    async def rewind() -> None:
        await world.rows.rewind(upload.id, 4)

    data.before_looking_again = rewind
    assert await run(world, data) == []


async def test_fault_of_an_uploads_file_is_told_beside_its_other_ones(
    world: World, data: ShownData
) -> None:
    upload = an_upload(1, offset=5)
    await world.rows.create(upload)
    fault = Fault("file_mode", "uploads/00/1", "has a wrong mode", "makes it right", can_mend=True)
    data.show(upload, 3, faults=(fault,))
    assert codes(await run(world, data)) == ["file_mode", "offset_beyond_data"]


@pytest.mark.parametrize(
    ("upload", "found"),
    [
        (an_upload(1, length=7, offset=7, path="in/a.txt", **FINISHED), []),
        (an_upload(1, length=7, offset=7, state=UploadState.CHECKING), []),
        (an_upload(1, length=7, offset=7, **FINISHED), ["file_mode"]),
        (an_upload(1, length=7, offset=5, path="in/a.txt"), ["file_mode"]),
    ],
)
async def test_mode_of_what_was_published_is_no_fault(
    world: World, data: ShownData, upload: Upload, found: list[str]
) -> None:
    await world.rows.create(upload)
    fault = Fault("file_mode", "uploads/00/1", "has mode 0640", "makes it 0600", can_mend=True)
    data.show(upload, 7, faults=(fault,))
    assert codes(await run(world, data)) == found
