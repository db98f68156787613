"""A hook may refuse or amend; silence and nonsense are refusals, unless the operator says else."""

import json
from functools import partial
from pathlib import Path

import pytest

from tests.contracts.examples import a_part, an_upload, upload_id
from tusd_py.errors import HookUnavailable, RefusedByHook
from tusd_py.hooks.hook import ANSWERS, Answer, Hook, Message, Point, Reply
from tusd_py.hooks.payload import Composer
from tusd_py.hooks.pre import AskingGate
from tusd_py.hooks.reply import read_reply
from tusd_py.protocol.published_path import path_wanted

EVERYTHING = frozenset(point for point in Point if point.is_question)
COMPOSE = Composer(path_of=lambda upload: Path(upload.id), new_id=lambda: "e1", clock=lambda: 0.0)


class Asked(Hook):
    """Answers what it is given, or raises it; remembers what it was asked."""

    def __init__(self, reply: Reply | Exception | None = None) -> None:
        self.name = "asked"
        self.reply = reply or Reply()
        self.asked: list[Message] = []

    async def tell(self, message: Message) -> Reply:
        raise AssertionError(message)

    async def ask(self, message: Message) -> Reply:
        self.asked.append(message)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


def gate(*hooks: Hook, points: frozenset[Point] = EVERYTHING, allows: bool = False) -> AskingGate:
    return AskingGate(hooks, points, COMPOSE, within=0.05, silence_allows=allows)


REFUSAL = Reply(Answer(418, "no tea", {"X-Why": "tea"}), rejects_upload=True)


# --- refusing ---


async def test_hook_that_minds_nothing_lets_everything_happen() -> None:
    hook, upload = Asked(), an_upload(1)
    asking = gate(hook)
    assert await asking.create(upload) is upload
    await asking.finish(upload)
    await asking.terminate(upload)
    points = [Point.PRE_CREATE, Point.PRE_FINISH, Point.PRE_TERMINATE]
    assert [message.point for message in hook.asked] == points
    assert [json.loads(message.payload)["Event"]["Upload"]["ID"] for message in hook.asked] == [
        "",
        upload_id(1),
        upload_id(1),
    ]


async def test_refusal_is_answered_as_the_hook_wants() -> None:
    later = Asked()
    for ask in (gate(Asked(REFUSAL), later).create, gate(Asked(REFUSAL), later).finish):
        with pytest.raises(RefusedByHook) as caught:
            await ask(an_upload(1))
        refused = caught.value
        assert (refused.status, refused.body, refused.headers) == (418, "no tea", {"X-Why": "tea"})
    assert later.asked == [], "the first refusal is the last word"


async def test_termination_is_refused_by_its_own_word_alone() -> None:
    await gate(Asked(REFUSAL)).terminate(an_upload(1))
    with pytest.raises(RefusedByHook):
        await gate(Asked(Reply(rejects_termination=True))).terminate(an_upload(1))
    await gate(Asked(Reply(rejects_termination=True))).finish(an_upload(1))


@pytest.mark.parametrize("status", [0, 200, 204, 302, 999])
async def test_refusal_is_never_a_success(status: int) -> None:
    with pytest.raises(RefusedByHook) as caught:
        await gate(Asked(Reply(Answer(status), rejects_upload=True))).create(an_upload(1))
    assert caught.value.status == 400


async def test_only_the_points_that_were_named_are_asked() -> None:
    hook = Asked(REFUSAL)
    asking = gate(hook, points=frozenset({Point.PRE_TERMINATE}))
    upload = await asking.create(an_upload(1))
    await asking.finish(upload)
    assert hook.asked == []
    assert asking.asks(Point.PRE_TERMINATE)
    assert not asking.asks(Point.PRE_CREATE)


async def test_what_hooks_say_to_the_client_is_gathered() -> None:
    answers: list[Answer] = []
    ANSWERS.set(answers)
    first, second = Answer(headers={"X-A": "1"}), Answer(body="hello")
    await gate(Asked(Reply(first)), Asked(Reply(second))).finish(an_upload(1))
    assert answers == [first, second]


# --- amending ---


async def test_id_and_metadata_are_changed_and_the_next_hook_sees_them() -> None:
    change = Reply(upload_id=upload_id(9), metadata={"filename": "b.txt", "empty": "", "ü-no": ""})
    with pytest.raises(HookUnavailable):
        await gate(Asked(change)).create(an_upload(1))
    later = Asked()
    change = Reply(upload_id=upload_id(9), metadata={"filename": "bü.txt", "empty": ""})
    upload = await gate(Asked(change), later).create(an_upload(1, metadata="filename YS50eHQ="))
    assert (upload.id, upload.metadata) == (upload_id(9), "filename YsO8LnR4dA==,empty")
    described = json.loads(later.asked[0].payload)["Event"]["Upload"]
    assert described["MetaData"] == {"filename": "bü.txt", "empty": ""}


async def test_empty_metadata_takes_it_all_away() -> None:
    upload = await gate(Asked(Reply(metadata={}))).create(an_upload(1, metadata="a"))
    assert upload.metadata is None


async def test_place_is_ignored_with_a_warning_where_nothing_is_published(
    caplog: pytest.LogCaptureFixture,
) -> None:
    upload = an_upload(1)
    assert await gate(Asked(Reply(storage={"Path": "../x"}))).create(upload) == upload
    assert "nothing is published: ignored" in caplog.text


def publishing_gate(path: str) -> AskingGate:
    hook = Asked(Reply(storage={"Type": "filestore", "Path": path}))
    place = partial(path_wanted, directory="/srv/in")
    return AskingGate([hook], EVERYTHING, COMPOSE, within=0.05, silence_allows=False, place=place)


async def test_place_is_where_the_upload_will_be_published() -> None:
    upload = an_upload(1)
    for path in ("./ann/a.txt", "/srv/in/ann/a.txt"):
        assert (await publishing_gate(path).create(upload)).path == "ann/a.txt"
    assert (await publishing_gate("").create(upload)).path is None
    part = a_part(1)
    assert await publishing_gate("a.txt").create(part) == part, "parts are not published"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "/srv/in/../x", "."])
async def test_place_that_leads_out_is_refused(path: str) -> None:
    with pytest.raises(HookUnavailable):
        await publishing_gate(path).create(an_upload(1))


@pytest.mark.parametrize("name", ["a", "../../etc/passwd", "A" * 32, upload_id(1) + "\n", "."])
async def test_id_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(HookUnavailable):
        await gate(Asked(Reply(upload_id=name))).create(an_upload(1))


@pytest.mark.parametrize("key", ["a,b", "a b", "", "ü", "a\r\nX: y"])
async def test_metadata_that_cannot_be_kept_is_refused(key: str) -> None:
    with pytest.raises(HookUnavailable):
        await gate(Asked(Reply(metadata={key: "x"}))).create(an_upload(1))


async def test_only_a_creation_can_be_amended() -> None:
    await gate(Asked(Reply(upload_id="nonsense"))).finish(an_upload(1))


# --- silence ---

SILENCES = [HookUnavailable("down"), TimeoutError(), RuntimeError("a bug"), OSError("gone")]


@pytest.mark.parametrize("error", SILENCES)
async def test_silence_is_a_refusal(error: Exception) -> None:
    with pytest.raises(HookUnavailable):
        await gate(Asked(error)).create(an_upload(1))


@pytest.mark.parametrize("error", SILENCES)
async def test_silence_is_nothing_where_the_operator_says_so(error: Exception) -> None:
    upload = an_upload(1)
    asking = gate(Asked(error), allows=True)
    assert await asking.create(upload) == upload
    await asking.finish(upload)
    await asking.terminate(upload)


async def test_refusal_counts_where_silence_would_not() -> None:
    with pytest.raises(RefusedByHook):
        await gate(Asked(REFUSAL), allows=True).create(an_upload(1))


# --- what tusd's JSON says ---


def test_reply_has_tusds_names() -> None:
    document = {
        "HTTPResponse": {"StatusCode": 403, "Body": "no", "Header": {"X-A": "b", "X-E": ""}},
        "RejectUpload": True,
        "RejectTermination": True,
        "StopUpload": True,
        "ChangeFileInfo": {"ID": "x", "MetaData": {"k": "v"}, "Storage": {"Path": "p"}},
    }
    assert read_reply(json.dumps(document)) == Reply(
        answer=Answer(403, "no", {"X-A": "b", "X-E": ""}),
        rejects_upload=True,
        rejects_termination=True,
        stops=True,
        upload_id="x",
        metadata={"k": "v"},
        storage={"Path": "p"},
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "{}",
        '{"HTTPResponse": {}, "RejectUpload": false, "more": 1}',
        '{"HTTPResponse": {"StatusCode": 0, "Body": "", "Header": null}}',
        '{"ChangeFileInfo": {"ID": "", "MetaData": null, "Storage": null}}',
    ],
)
def test_everything_may_be_left_out(text: str) -> None:
    assert read_reply(text) == Reply()


@pytest.mark.parametrize(
    "text",
    [
        "ok",
        "[]",
        "null",
        '"yes"',
        '{"RejectUpload": "true"}',
        '{"RejectUpload": 1}',
        '{"HTTPResponse": {"StatusCode": "403"}}',
        '{"HTTPResponse": {"StatusCode": true}}',
        '{"HTTPResponse": {"Header": {"X-A": "b\\r\\nX-C: d"}}}',
        '{"HTTPResponse": {"Header": {"X A": "b"}}}',
        '{"HTTPResponse": []}',
        '{"ChangeFileInfo": {"MetaData": {"k": 1}}}',
    ],
)
def test_what_cannot_be_understood_is_no_answer(text: str) -> None:
    with pytest.raises(HookUnavailable):
        read_reply(text)
