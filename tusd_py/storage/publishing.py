"""
Publishes uploads as files of a directory, by a second name for their bytes, or by a copy.

Until the state store knows that an upload is published, STAGING in the directory has its bytes by
its id, too. They are made there first, which may take long or be cut short; then they are linked to
where they are published, which is one step. After a crash that link tells which file is the
upload's, whatever else is called like it.
"""

import asyncio
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import Final, TypeVar

from tusd_py.errors import PublishingUnavailable
from tusd_py.protocol.published_path import SIDECAR, Template, alternatives
from tusd_py.protocol.upload import Upload, is_upload_id
from tusd_py.storage import syscalls
from tusd_py.storage.open_directory import OpenDirectory
from tusd_py.storage.publish_directory import STAGING, explained
from tusd_py.storage.publisher import Leftover, Published, Publisher
from tusd_py.to_the_end import to_the_end

_T = TypeVar("_T")

#: What the kernel says where a file cannot have a second name there, or not another one.
_CANNOT_LINK: Final = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
#: Directories whose names this process knows to be durable, at most.
_MOST_DURABLE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Manner:
    """
    How uploads are published.

    Attributes:
        moves: Whether their bytes are to be there alone.
        mode: The mode of published files; directories can be entered by whoever may read them.
        describe: Writes an upload's sidecar, always the same; None where there is none.
        strict: Whether what is published outlives a power cut.
    """

    moves: bool = False
    mode: int = 0o640
    describe: Callable[[Upload], str] | None = None
    strict: bool = True

    @property
    def directory_mode(self) -> int:
        """Return the mode of directories that are made."""
        return self.mode | (self.mode & 0o444) >> 2


class LocalPublisher(Publisher):
    """
    Publishes on this host.

    Args:
        directory: Where; made at the start of the server, and never by this.
        template: How files are named.
        data_of: Finds an upload's bytes.
        manner: How they are published.
    """

    def __init__(
        self, directory: Path, template: Template, data_of: Callable[[str], Path], manner: Manner
    ) -> None:
        self._root = directory
        self._template = template
        self._data_of = data_of
        self._manner = manner
        self._durable: set[tuple[int, int]] = set()

    async def publish(self, upload: Upload) -> Published:
        stop = Event()
        running = asyncio.ensure_future(self._run(partial(self._publish, upload, stop)))
        try:
            path = await asyncio.shield(running)
        except asyncio.CancelledError:
            stop.set()  # copying may take long
            await asyncio.wait([running])
            running.exception()  # nobody else takes it, and asyncio would log that
            raise
        return Published(path, self._manner.moves)

    async def settle(self, upload_id: str) -> None:
        with suppress(PublishingUnavailable):  # then it is a leftover, and found as one
            await self._run(partial(self._settle, upload_id))

    async def withdraw(self, upload: Upload) -> None:
        await self._run(partial(self._withdraw, upload))

    async def leftovers(self) -> list[Leftover]:
        try:
            return await self._run(self._leftovers)
        except PublishingUnavailable:
            return []

    async def _run(self, call: Callable[[], _T]) -> _T:
        try:
            return await to_the_end(asyncio.ensure_future(asyncio.to_thread(call)))
        except OSError as error:
            raise PublishingUnavailable(explained(error, self._root)) from error

    def _publish(self, upload: Upload, stop: Event) -> str:
        with OpenDirectory(self._root) as root, self._entered(root, STAGING, 0o700) as staging:
            may_be_there = self._stage(staging, upload, stop)
            if self._manner.describe is not None:
                self._stage_sidecar(staging, upload, self._manner.describe)
            wanted = self._wanted(upload)
            with self._parent_of(root, wanted) as parent:
                path = self._known(staging, parent, upload, wanted) if may_be_there else None
                path = path or self._link(staging, parent, upload, wanted)
                if self._manner.strict:
                    parent.flush()
        return path

    def _wanted(self, upload: Upload) -> str:
        date = datetime.fromtimestamp(upload.created_at, UTC).date().isoformat()
        return upload.path or self._template.path_of(upload, date)

    # --- Bytes in STAGING ---

    def _stage(self, staging: OpenDirectory, upload: Upload, stop: Event) -> bool:
        """Let STAGING have the upload's bytes; tell whether they may be published already."""
        data = self._data_of(upload.id)
        source = _open_whole(data, upload.offset)
        try:
            if is_linked := _try_to_link(data, staging, upload):
                self._let_be_read(source)
            elif staging.links(upload.id) < 2:  # what has no second name may be half a copy
                with self._new(staging, upload.id) as target:
                    syscalls.copy_range(
                        source, target, 0, upload.offset, before_step=partial(_go_on, stop)
                    )
        finally:
            os.close(source)
        return staging.links(upload.id) > (2 if is_linked else 1)

    def _let_be_read(self, source: int) -> None:
        """Give the upload's file its mode, which is that of all its names."""
        if stat.S_IMODE(os.fstat(source).st_mode) != self._manner.mode:
            os.fchmod(source, self._manner.mode)
            if self._manner.strict:
                os.fsync(source)

    def _stage_sidecar(
        self, staging: OpenDirectory, upload: Upload, describe: Callable[[Upload], str]
    ) -> None:
        name = upload.id + SIDECAR
        if staging.links(name) < 2:
            with self._new(staging, name) as target:
                syscalls.write_all(target, 0, memoryview(describe(upload).encode()))

    @contextmanager
    def _new(self, staging: OpenDirectory, name: str) -> Iterator[int]:
        with staging.new_file(name, self._manner.mode, strict=self._manner.strict) as file:
            yield file

    # --- Names ---

    def _link(
        self, staging: OpenDirectory, parent: OpenDirectory, upload: Upload, wanted: str
    ) -> str:
        """Let the upload be found by the first name that is free, and its sidecar before that."""
        has_sidecar = self._manner.describe is not None
        for path in alternatives(wanted, upload.id):
            name = _name(path)
            sidecar = upload.id + SIDECAR
            if has_sidecar and not parent.link_from(staging, sidecar, name + SIDECAR):
                continue
            if parent.link_from(staging, upload.id, name):
                return path
            if has_sidecar:
                parent.remove(name + SIDECAR)
        raise PublishingUnavailable(f"all names like {wanted!r} are taken: move some files away")

    def _known(
        self, staging: OpenDirectory, parent: OpenDirectory, upload: Upload, wanted: str
    ) -> str | None:
        """Return by which name an earlier call let the upload be found, if one did."""
        for path in alternatives(wanted, upload.id):
            name = _name(path)
            if parent.has_same(name, staging, upload.id):
                if self._manner.describe is not None:  # a power cut may have taken it alone
                    parent.link_from(staging, upload.id + SIDECAR, name + SIDECAR)
                return path
        return None

    def _withdraw(self, upload: Upload) -> None:
        wanted = self._wanted(upload)
        # Where the way is not there, or barred, it did not come so far.
        with ExitStack() as stack, suppress(FileNotFoundError, NotADirectoryError):
            root = parent = stack.enter_context(OpenDirectory(self._root))
            staging = stack.enter_context(OpenDirectory(STAGING, within=root))
            for part in wanted.split("/")[:-1]:
                parent = stack.enter_context(OpenDirectory(part, within=parent))
            for ending in ("", SIDECAR):
                for path in alternatives(wanted, upload.id):
                    if parent.has_same(_name(path) + ending, staging, upload.id + ending):
                        parent.remove(_name(path) + ending)
        self._settle(upload.id)

    def _settle(self, upload_id: str) -> None:
        with (
            suppress(FileNotFoundError, NotADirectoryError),
            OpenDirectory(self._root) as root,
            OpenDirectory(STAGING, within=root) as staging,
        ):
            for name in (upload_id, upload_id + SIDECAR):
                staging.remove(name)

    def _leftovers(self) -> list[Leftover]:
        found: dict[str, float] = {}
        with (
            suppress(FileNotFoundError, NotADirectoryError),
            OpenDirectory(self._root) as root,
            OpenDirectory(STAGING, within=root) as staging,
        ):
            for name in staging.names():
                upload_id, status = name.removesuffix(SIDECAR), staging.status(name)
                if is_upload_id(upload_id) and status is not None:
                    found[upload_id] = status.st_ctime
        return [Leftover(upload_id, since) for upload_id, since in found.items()]

    # --- Directories ---

    @contextmanager
    def _parent_of(self, root: OpenDirectory, path: str) -> Iterator[OpenDirectory]:
        """Yield the directory of *path*, made where it is not there."""
        with ExitStack() as stack:
            parent = root
            for part in path.split("/")[:-1]:
                mode = self._manner.directory_mode
                parent = stack.enter_context(self._entered(parent, part, mode))
            yield parent

    def _entered(self, parent: OpenDirectory, name: str, mode: int) -> OpenDirectory:
        """Open an inner directory, made where it is not there, whose name is durable."""
        is_new = parent.make(name, mode)
        directory = OpenDirectory(name, within=parent)
        if self._manner.strict and (is_new or directory.identity not in self._durable):
            # Whoever made it, perhaps a server that was killed, its name may not be durable yet.
            try:
                parent.flush()
            except OSError:
                directory.close()
                raise
            if len(self._durable) >= _MOST_DURABLE:
                self._durable.clear()
            self._durable.add(directory.identity)
        return directory


def _open_whole(data: Path, size: int) -> int:
    """Open an upload's file, which has to have all its bytes and no other ones."""
    try:
        source = os.open(data, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        found = 0
    else:
        found = os.fstat(source).st_size
        if found == size:
            return source
        os.close(source)
    raise PublishingUnavailable(
        f"its data has {found} bytes of {size}: restore it from a backup, or remove the upload"
        " with `tusd-py rm`"
    )


def _try_to_link(data: Path, staging: OpenDirectory, upload: Upload) -> bool:
    """Let STAGING have the upload's own file, if that can be."""
    try:
        return staging.link(data, upload.id)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        return False


def _go_on(stop: Event) -> None:
    if stop.is_set():
        raise PublishingUnavailable("the server stops: the next start goes on")


def _name(path: str) -> str:
    return path.rpartition("/")[2]
