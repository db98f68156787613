"""Asks: a hook may refuse or amend, and silence is a refusal."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from tusd_py.errors import HookUnavailable, InvalidHeader, RefusedByHook
from tusd_py.hooks.hook import ANSWERS, CALLER, Compose, Gate, Hook, Message, Point, Reply
from tusd_py.protocol.metadata import format_metadata, parse_metadata
from tusd_py.protocol.upload import Upload, is_upload_id

log = logging.getLogger(__name__)


class AskingGate(Gate):
    """
    Asks every hook, one after the other; the first one that refuses has the last word.

    Args:
        hooks: Who is asked.
        points: At which points.
        compose: Writes the message.
        within: How many seconds a hook may take.
        silence_allows: Whether a hook that cannot be asked has nothing against it.
        place: Reads where a hook wants an upload to be published, and raises ValueError where that
            cannot be; None where nothing is published.
    """

    def __init__(
        self,
        hooks: Sequence[Hook],
        points: frozenset[Point],
        compose: Compose,
        *,
        within: float,
        silence_allows: bool,
        place: Callable[[str], str] | None = None,
    ) -> None:
        self._hooks = hooks
        self._points = points
        self._compose = compose
        self._within = within
        self._silence_allows = silence_allows
        self._place = place

    def asks(self, point: Point) -> bool:
        return point in self._points

    async def create(self, upload: Upload) -> Upload:
        if self.asks(Point.PRE_CREATE):
            for hook in self._hooks:
                upload = await self._ask(hook, Point.PRE_CREATE, upload)
        return upload

    async def finish(self, upload: Upload) -> None:
        if self.asks(Point.PRE_FINISH):
            for hook in self._hooks:
                await self._ask(hook, Point.PRE_FINISH, upload)

    async def terminate(self, upload: Upload) -> None:
        if self.asks(Point.PRE_TERMINATE):
            for hook in self._hooks:
                await self._ask(hook, Point.PRE_TERMINATE, upload)

    async def _ask(self, hook: Hook, point: Point, upload: Upload) -> Upload:
        """Return *upload* as the hook wants it; raises what `Gate` says."""
        try:
            reply = await self._reply(hook, self._compose(point, upload, CALLER.get()))
            if point is Point.PRE_CREATE:
                amended = _placed(_amended(upload, reply), reply, self._place)
            else:
                amended = upload
        except HookUnavailable as error:
            known = {"hook": hook.name, "reason": error.reason, "upload_id": upload.id}
            if self._silence_allows:
                log.warning("A hook has no say: it could not be asked %s.", point, extra=known)
                return upload
            log.error("A hook could not be asked %s, so it is refused.", point, extra=known)
            raise
        _check(point, reply)
        answers = ANSWERS.get()
        if answers is not None:
            answers.append(reply.answer)
        return amended

    async def _reply(self, hook: Hook, message: Message) -> Reply:
        try:
            async with asyncio.timeout(self._within):
                return await hook.ask(message)
        except TimeoutError as error:
            raise HookUnavailable("did not answer in time") from error
        except HookUnavailable:
            raise
        except Exception as error:
            log.exception("A hook has a bug.")
            raise HookUnavailable(f"{type(error).__name__}: {error}") from error


def _check(point: Point, reply: Reply) -> None:
    if point is Point.PRE_TERMINATE:
        if reply.rejects_termination:
            raise RefusedByHook("This upload may not be terminated.", *_answer(reply))
    elif reply.rejects_upload:
        raise RefusedByHook("This upload is not accepted.", *_answer(reply))


def _answer(reply: Reply) -> tuple[int, str, dict[str, str]]:
    """Return how to refuse; a status that is no refusal becomes the one that tusd has."""
    status = reply.answer.status
    return status if 400 <= status <= 599 else 400, reply.answer.body, dict(reply.answer.headers)


def _amended(upload: Upload, reply: Reply) -> Upload:
    """
    Return the upload as the hook wants it.

    Raises:
        HookUnavailable: It wants what cannot be.
    """
    if reply.metadata is not None:
        pairs = {key: value.encode() for key, value in reply.metadata.items()}
        header = format_metadata(pairs)
        try:
            # A key with a comma would come back as two.
            if parse_metadata(header) != pairs:
                raise HookUnavailable("answered MetaData that cannot be kept")
        except InvalidHeader as error:
            raise HookUnavailable(f"answered MetaData that cannot be kept: {error}") from error
        upload = replace(upload, metadata=header or None)
    if reply.upload_id is not None:
        if not is_upload_id(reply.upload_id):
            raise HookUnavailable("answered an ID that is not 32 digits 0-9a-f")
        upload = replace(upload, id=reply.upload_id)
    return upload


def _placed(upload: Upload, reply: Reply, place: Callable[[str], str] | None) -> Upload:
    """
    Return the upload with the path that the hook wants for it; parts get none.

    Raises:
        HookUnavailable: It wants a path that cannot be.
    """
    path = reply.storage.get("Path")
    if not path or upload.is_partial:
        return upload
    if place is None:
        log.warning(
            "A hook says where an upload is to be stored, and nothing is published: ignored.",
            extra={"upload_id": upload.id},
        )
        return upload
    try:
        return replace(upload, path=place(path))
    except ValueError as error:
        raise HookUnavailable("answered a Path that leads out of publish_directory") from error
