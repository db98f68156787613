"""Carries a hook to a Python function in this process."""

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tusd_py.hooks.hook import Answer, Caller, Hook, Message, Point, Reply

#: What functions say, by the names that these have for whoever writes one.
HookReply = Reply
HookAnswer = Answer


@dataclass(frozen=True, slots=True)
class HookUpload:
    """
    The upload that an event is about, as it was then.

    Attributes:
        id: Its name; empty before it is created.
        length: Bytes of the whole; None while the client has deferred it.
        offset: Bytes that are there.
        metadata: What the client said of it, as text.
        is_partial: Whether it is a part of a final upload to come.
        is_final: Whether it is made of parts.
        parts: Their ids.
        path: Where its bytes are; None before it is created.
    """

    id: str
    length: int | None
    offset: int
    metadata: Mapping[str, str]
    is_partial: bool
    is_final: bool
    parts: tuple[str, ...]
    path: Path | None


@dataclass(frozen=True, slots=True)
class HookEvent:
    """
    What happens, or is about to.

    Attributes:
        point: At which point of an upload's life.
        id: Stays the same however often the event is told.
        time: When, in ISO 8601 and UTC.
        owner: Whose upload it is.
        upload: The upload.
        caller: The request that it happens for.
    """

    point: Point
    id: str
    time: str
    owner: str
    upload: HookUpload
    caller: Caller


#: Is told or asked; None stands for a `HookReply` that minds nothing. To fail, it raises.
HookFunction = Callable[[HookEvent], Reply | Awaitable[Reply | None] | None]


class FunctionHook(Hook):
    """
    Calls a function: an async one on the event loop, another one on a thread.

    Args:
        name: Tells it from others, and stays the same over restarts.
        function: What is called.
        threads: Where it is called, unless it is async. A thread cannot be ended: what takes too
            long goes on there, and is called again beside that.
    """

    def __init__(self, name: str, function: HookFunction, threads: ThreadPoolExecutor) -> None:
        self.name = function_target(name)
        self._function = function
        self._threads = threads

    async def tell(self, message: Message) -> Reply:
        """Return once the function has; whatever it raises is no arrival."""
        return await self.ask(message)

    async def ask(self, message: Message) -> Reply:
        """Return what the function says; whatever it raises says nothing."""
        call = partial(self._function, read_event(message))
        if inspect.iscoroutinefunction(self._function):
            reply = call()
        else:
            loop = asyncio.get_running_loop()
            reply = await loop.run_in_executor(self._threads, call)
        if inspect.isawaitable(reply):
            reply = await reply
        if reply is None:
            return Reply()
        if not isinstance(reply, Reply):
            raise TypeError(f"a hook returns a HookReply or None, not {type(reply).__name__}")
        return reply


def function_target(name: str) -> str:
    """Return the name of the hook that calls the function *name*."""
    return f"python:{name}"


def read_event(message: Message) -> HookEvent:
    """Return a message as functions get it."""
    document: dict[str, Any] = json.loads(message.payload)
    upload, request = document["Event"]["Upload"], document["Event"]["HTTPRequest"]
    storage = upload["Storage"]
    return HookEvent(
        point=message.point,
        id=message.event_id,
        time=document["Time"],
        owner=document["Owner"],
        upload=HookUpload(
            id=upload["ID"],
            length=None if upload["SizeIsDeferred"] else upload["Size"],
            offset=upload["Offset"],
            metadata=upload["MetaData"],
            is_partial=upload["IsPartial"],
            is_final=upload["IsFinal"],
            parts=tuple(upload["PartialUploads"] or ()),
            path=None if storage is None else Path(storage["Path"]),
        ),
        caller=Caller(
            method=request["Method"],
            uri=request["URI"],
            address=request["RemoteAddr"],
            headers={name: tuple(values) for name, values in request["Header"].items()},
        ),
    )
