"""Interface: ask and tell, with the points in an upload's life at which that happens."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from tusd_py.protocol.upload import Upload


class Point(StrEnum):
    """What happens to an upload, or is about to, by tusd's names where it has one."""

    PRE_CREATE = "pre-create"
    PRE_FINISH = "pre-finish"
    PRE_TERMINATE = "pre-terminate"
    POST_CREATE = "post-create"
    POST_RECEIVE = "post-receive"
    POST_FINISH = "post-finish"
    POST_TERMINATE = "post-terminate"
    EXPIRED = "expired"
    FAILED = "failed"

    @property
    def is_question(self) -> bool:
        """Tell whether hooks are asked, rather than told."""
        return self.value.startswith("pre-")


@dataclass(frozen=True, slots=True)
class Caller:
    """
    The request that something happens for, as far as hooks hear of it.

    Attributes:
        method: Its method.
        uri: Path and query, as they came.
        address: Whose it is: address and port, or the address alone where a proxy told it.
        headers: Those that are passed on.
    """

    method: str = ""
    uri: str = ""
    address: str = ""
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


#: The request that is being served; nobody's where the server itself acts.
CALLER: Final[ContextVar[Caller]] = ContextVar("caller", default=Caller())  # noqa: B039 - frozen


@dataclass(frozen=True, slots=True)
class Message:
    """
    What a hook is told.

    Attributes:
        event_id: Names the event, and stays the same however often it is told.
        upload_id: Whose event it is.
        point: What happened.
        payload: All of it as JSON, see `payload`.
    """

    event_id: str
    upload_id: str
    point: Point
    payload: str


#: Writes a new message: the point is reached, the upload is like this, and that request did it.
Compose = Callable[[Point, Upload, Caller], Message]


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What the client is to be answered, as far as a hook minds.

    Attributes:
        status: The status; 0 for whatever it would be.
        body: The body.
        headers: More headers.
    """

    status: int = 0
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What a hook says; of itself it minds nothing.

    Attributes:
        answer: What the client is answered.
        rejects_upload: Not to be created, or finished.
        rejects_termination: Not to be terminated.
        stops: Whoever is writing has to leave, and the upload goes.
        upload_id: What the upload is to be called; None for whatever it would be.
        metadata: What its metadata is to be; None for what the client sent.
        storage: Where it is to be published, as `Path`.
    """

    answer: Answer = field(default_factory=Answer)
    rejects_upload: bool = False
    rejects_termination: bool = False
    stops: bool = False
    upload_id: str | None = None
    metadata: Mapping[str, str] | None = None
    storage: Mapping[str, str] = field(default_factory=dict)


#: Where hooks leave what the client of the request that is being served is answered, if anywhere.
ANSWERS: Final[ContextVar[list[Answer] | None]] = ContextVar("answers", default=None)


class Hook(Protocol):
    """
    Whoever wants to know, or to have a say.

    Attributes:
        name: Tells it from others, and stays the same over restarts.
    """

    name: str

    async def tell(self, message: Message) -> Reply:
        """
        Tell what happened, and return once that has arrived; of the reply, `stops` counts alone.

        May be called again with the same message: whoever is told had better remember its id.

        Raises:
            HookUnavailable: It has not arrived, or nobody knows whether it has.
        """
        ...

    async def ask(self, message: Message) -> Reply:
        """
        Tell what is about to happen, and return what the hook says to that.

        Raises:
            HookUnavailable: It did not say anything that can be understood.
        """
        ...


class Gate(Protocol):
    """
    Says whether something may happen to an upload, before it does.

    Every method but `asks` raises `RefusedByHook` where it may not, and `HookUnavailable` where
    nobody can say.
    """

    def asks(self, point: Point) -> bool:
        """Tell whether anybody has a say there; else the others return at once."""
        ...

    async def create(self, upload: Upload) -> Upload:
        """Return the upload that may be created, perhaps with another id and other metadata."""
        ...

    async def finish(self, upload: Upload) -> None:
        """Return if the upload, which has all its bytes, may be finished."""
        ...

    async def terminate(self, upload: Upload) -> None:
        """Return if a client may terminate the upload."""
        ...


class OpenGate(Gate):
    """Lets everything happen."""

    def asks(self, point: Point) -> bool:
        return False

    async def create(self, upload: Upload) -> Upload:
        return upload

    async def finish(self, upload: Upload) -> None:
        pass

    async def terminate(self, upload: Upload) -> None:
        pass


OPEN_GATE: Final = OpenGate()
