"""Whatever clients do in whatever order, the real server does what the simple model does."""

import random
import time

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from tests.harness import OCTETS, Answer
from tests.model.driver import Driver
from tests.model.model import Checked, Framing, Model, Modelled, Patch

TUS_HEADERS = {
    "Upload-Offset",
    "Upload-Length",
    "Upload-Defer-Length",
    "Upload-Metadata",
    "Upload-Concat",
    "Upload-Expires",
}
HOUR = 3600

#: Small ones are many; of the others each is received and stored in another way.
SIZES = st.integers(0, 40) | st.sampled_from([70_001, 300_000])
DATA = SIZES.map(lambda size: random.Random(size).randbytes(size))
FRAMINGS: st.SearchStrategy[Framing] = st.sampled_from(["length", "chunked"])
CHECKED: st.SearchStrategy[Checked] = st.sampled_from(
    ["no", "no", "no", "right", "wrong", "right-trailer", "wrong-trailer", "no-trailer"]
)
#: How far the offset that is sent is from the right one.
OFF_BY = st.sampled_from([0, 0, 0, 0, 0, 1, -1, 1000])
#: What a PATCH declares as length: nothing, the end of its data, beyond it, or before it.
DECLARED = st.sampled_from([None, None, None, 0, 3, -1])
METADATA = st.sampled_from([None, None, "", "filename d29ybGQ=", "a,b QQ==,c AP8="])


class Uploading(RuleBasedStateMachine):
    """Clients that do right and wrong, a clock, an operator, and a server that restarts."""

    uploads = Bundle("uploads")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(now=int(time.time()))
        self.driver = Driver(lambda: float(self.model.now))
        self.quiet = 0  # requests since the last restart, sweep or leap of the clock

    def teardown(self) -> None:
        """Look at everything that is there, finish it, and look into the directory."""
        try:
            for upload in list(self.model.uploads):
                self.head(upload)
                self.finish(upload)
                self.get(upload)
            self.check_directory()
        finally:
            self.driver.close()

    @initialize(target=uploads, lengths=st.lists(SIZES, min_size=3, max_size=3))
    def begin(self, lengths: list[int]) -> object:
        """Begin with some uploads of each kind, so that every rule has something to act on."""
        made = [self.create(length, None, True, None) for length in lengths]
        made += [self.create(length, "a QQ==", False, None) for length in lengths[1:]]
        made += [self.create(None, None, partial, b"12345") for partial in (True, False)]
        return multiple(*made)

    # --- Creation ---

    @rule(
        target=uploads,
        length=st.none() | SIZES,
        metadata=METADATA,
        partial=st.booleans(),
        data=st.none() | DATA,
    )
    def create(
        self, length: int | None, metadata: str | None, partial: bool, data: bytes | None
    ) -> object:
        headers = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        headers |= {} if metadata is None else {"Upload-Metadata": metadata}
        headers |= {"Upload-Concat": "partial"} if partial else {}
        headers |= {} if data is None else OCTETS
        answer = self.driver.create(headers, data)
        if length is not None and len(data or b"") > length:
            assert answer.status == 413
            return multiple()
        assert answer.status == 201
        upload = Modelled(
            answer.headers["Location"],
            length,
            data or b"",
            metadata,
            "partial" if partial else None,
        )
        self.model.create(upload)
        offset = {} if data is None else {"Upload-Offset": str(len(data))}
        assert tus_headers(answer) == offset | self.model.expires(upload)
        return upload

    @rule(target=uploads, parts=st.lists(uploads, min_size=1, max_size=3).map(tuple))
    def concatenate_anything(self, parts: tuple[Modelled, ...]) -> object:
        return self.concatenate(parts)

    @rule(target=uploads, picks=st.lists(st.integers(0, 9), min_size=1, max_size=2))
    def concatenate_partials(self, picks: list[int]) -> object:
        partials = [upload for upload in self.model.uploads if upload.is_partial]
        return self.concatenate(tuple(partials[pick % len(partials)] for pick in picks))

    @rule(pick=st.integers(0, 9))
    def concatenate_again(self, pick: int) -> None:
        finals = [upload for upload in self.model.uploads if upload.is_final]
        if finals:
            self.concatenate(finals[pick % len(finals)].parts)

    def concatenate(self, parts: tuple[Modelled, ...]) -> object:
        concat = "final;" + " ".join(part.path for part in parts)
        answer = self.driver.create({"Upload-Concat": concat}, None)
        proper = all(part.is_partial and self.model.lives(part) for part in parts)
        if not proper or len(set(parts)) < len(parts):
            assert answer.status == 400
            return multiple()
        assert answer.status == 201
        same = self.model.same_final(parts)
        if same is not None:
            assert answer.headers["Location"] == same.path
            return multiple()
        lengths = [part.length for part in parts if part.length is not None]
        length = sum(lengths) if len(lengths) == len(parts) else None
        final = Modelled(answer.headers["Location"], length, concat=concat, parts=parts)
        assert final.path not in self.model.known()
        return self.model.create(final)

    # --- Appending ---

    @rule(
        upload=uploads,
        data=DATA,
        off_by=OFF_BY,
        framing=FRAMINGS,
        checked=CHECKED,
        declared=DECLARED,
    )
    def append(
        self,
        upload: Modelled,
        data: bytes,
        off_by: int,
        framing: Framing,
        checked: Checked,
        declared: int | None,
    ) -> None:
        offset = max(0, len(upload.content) + off_by)
        end = len(upload.content) + len(data)
        length = None if declared is None else max(0, end + declared)
        patch = Patch(upload.path, offset, data, framing, checked, length)
        self.check_append(upload, patch, self.driver.patch(patch))

    @rule(upload=uploads)
    def finish(self, upload: Modelled) -> None:
        if self.model.lives(upload) and not upload.is_final and not upload.finished:
            missing = 5 if upload.length is None else upload.length - len(upload.content)
            length = len(upload.content) + missing
            patch = Patch(
                upload.path, len(upload.content), bytes(missing), "length", "right", length
            )
            self.check_append(upload, patch, self.driver.patch(patch))
            assert upload.finished

    def check_append(self, upload: Modelled, patch: Patch, answer: Answer) -> None:
        expected = self.model.append_status(upload, patch)
        assert answer.status == expected, (answer.status, answer.text)
        if expected == 409:
            assert answer.offset == len(upload.content)
        if expected == 204:
            self.model.append(upload, patch.data, patch.length)
            offset = {"Upload-Offset": str(len(upload.content))}
            assert tus_headers(answer) == offset | self.model.expires(upload)

    # --- Breaking off ---

    @rule(upload=uploads, data=DATA, share=st.sampled_from([0.0, 0.3, 0.9]), reset=st.booleans())
    def cut(self, upload: Modelled, data: bytes, share: float, reset: bool) -> None:
        if not self.takes(upload, data):
            return
        before, sent = len(upload.content), int(len(data) * share)
        patch = Patch(upload.path, before, data, "length", "no", None)
        self.driver.cut(patch, sent, reset=reset)
        answer = self.driver.head(upload.path)
        kept = answer.offset - before
        # A reset lets the kernel drop what the server has not read yet.
        assert 0 <= kept <= sent if reset else kept == sent
        self.model.append(upload, data[:kept])
        assert tus_headers(answer) == self.model.described(upload)

    @rule(upload=uploads, data=DATA, share=st.sampled_from([0.0, 0.5]))
    def ask_while_writing(self, upload: Modelled, data: bytes, share: float) -> None:
        if not self.takes(upload, data):
            return
        before, sent = len(upload.content), int(len(data) * share)
        patch = Patch(upload.path, before, data, "length", "no", None)
        answer = self.driver.head_while_writing(patch, sent)
        assert before <= answer.offset <= before + sent
        self.model.append(upload, data[: answer.offset - before])
        assert tus_headers(answer) == self.model.described(upload)

    def takes(self, upload: Modelled, data: bytes) -> bool:
        """Tell whether *data* would be a proper next chunk with a byte at least."""
        room = upload.limit - len(upload.content)
        return self.model.lives(upload) and not upload.is_final and 0 < len(data) <= room

    # --- Asking ---

    @rule(upload=uploads)
    def head(self, upload: Modelled) -> None:
        self.wait_until_joined(upload)
        answer = self.driver.head(upload.path)
        refusal = self.model.refusal(upload)
        assert answer.status == (refusal or 200)
        if refusal is None:
            assert tus_headers(answer) == self.model.described(upload)
            assert answer.headers["Cache-Control"] == "no-store"

    @rule(upload=uploads)
    def get(self, upload: Modelled) -> None:
        self.wait_until_joined(upload)
        answer = self.driver.get(upload.path)
        refusal = self.model.refusal(upload)
        if refusal is None and (upload.is_partial or not upload.finished):
            refusal = 404
        assert answer.status == (refusal or 200)
        if refusal is None:
            assert answer.body == upload.content

    def wait_until_joined(self, upload: Modelled) -> None:
        """Give the joining of parts, which goes on in the background, its time."""
        if not (upload.is_final and upload.finished and self.model.lives(upload)):
            return
        deadline = time.monotonic() + 5
        while "Upload-Offset" not in self.driver.head(upload.path).headers:
            assert time.monotonic() < deadline, "the parts were never joined"

    # --- Ending ---

    @rule(upload=uploads)
    def terminate(self, upload: Modelled) -> None:
        answer = self.driver.delete(upload.path)
        refusal = self.model.refusal(upload)
        assert answer.status == (refusal or 204)
        upload.gone = upload.gone or refusal is None

    @precondition(lambda self: self.quiet > 3)
    @rule(hours=st.sampled_from([1, 1, 4, 11]))
    def wait(self, hours: int) -> None:
        self.model.now += hours * HOUR
        self.quiet = 0

    @precondition(lambda self: self.quiet > 1)
    @rule()
    def sweep(self) -> None:
        report = self.driver.sweep()
        assert (report.expired, report.tombstones) == self.model.sweep()
        self.quiet = 0

    @precondition(lambda self: self.quiet > 5)
    @rule()
    def restart(self) -> None:
        self.driver.restart()
        self.quiet = 0

    @invariant()
    def count(self) -> None:
        self.quiet += 1

    def check_directory(self) -> None:
        """Make sure that every row is the model's, and every file a row's."""
        known = self.model.known()
        rows = {f"{self.driver.server.prefix}{row.id}": row for row in self.driver.rows()}
        assert rows.keys() == known.keys()
        for path, row in rows.items():
            assert row.is_finished == (known[path].finished and not known[path].swept)
        files = {file.rpartition("/")[2] for file in self.driver.server.stored()}
        assert files == {row.id for path, row in rows.items() if not known[path].swept}


def tus_headers(answer: Answer) -> dict[str, str]:
    """Return what an answer says of its upload."""
    return {name: answer.headers[name] for name in TUS_HEADERS if name in answer.headers}


TestUploading = Uploading.TestCase
TestUploading.settings = settings(
    max_examples=45,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    # A failure is told as it was found: every step of shrinking it would start a server.
    phases=[Phase.generate],
)
TestUploading = pytest.mark.slow(pytest.mark.timeout(120)(TestUploading))
