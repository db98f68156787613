"""What the checks of one examination share: requests, uploads, and what is known by now."""

import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit

from tusd_py.doctor.conversation import (
    Answer,
    Conversation,
    Deadline,
    OutOfTime,
    Unanswered,
    unreachable,
)
from tusd_py.doctor.diagnosis import finding_of
from tusd_py.doctor.target import Target, request_target
from tusd_py.doctor.verdict import Skip, Trouble

TUS: Final = {"Tus-Resumable": "1.0.0"}
OCTETS: Final = {"Content-Type": "application/offset+octet-stream"}
_AGENT: Final = "tusd-py-doctor"
#: Attempts where another request still has the upload, and seconds between two.
_ATTEMPTS: Final = 10
_BETWEEN: Final = 0.3
_PROXIES: Final = {
    "openresty": "nginx",
    "nginx": "nginx",
    "caddy": "Caddy",
    "traefik": "Traefik",
}


def content(size: int) -> bytes:
    """Return bytes worth sending."""
    return (bytes(range(256)) * (size // 256 + 1))[:size]


class Visit:
    """
    Makes requests, and remembers what the checks find out.

    Attributes:
        target: What is examined.
        deadline: When all has to end.
        extensions: What the server announces; None while it has not said.
        algorithms: Checksums that it announces.
        max_size: The largest upload it takes; None where it does not say.
        able: What was seen to work, such as `PATCH`; later checks need it.
        upload: The first upload's URL, as clients should have got it.
        left: URLs of uploads that are still there.
        servers: Who answered, by the headers Server and Via.
        origin: The origin of the pages that are asked for.
        has_answered: Whether anybody ever did.
    """

    def __init__(self, target: Target, deadline: Deadline) -> None:
        self.target = target
        self.deadline = deadline
        self.extensions: frozenset[str] | None = None
        self.algorithms: frozenset[str] = frozenset()
        self.max_size: int | None = None
        self.able: set[str] = set()
        self.upload = ""
        self.left: list[str] = []
        self.servers: list[str] = []
        self.origin = target.origin or "https://page.example"
        self.has_answered = False
        self._is_location_wrong = False

    @property
    def proxy(self) -> str | None:
        """Return which proxy answers, where that shows."""
        said = " ".join(self.servers).lower()
        return next((name for word, name in _PROXIES.items() if word in said), None)

    def require(self, extension: str) -> None:
        """
        Go on only where the server announces *extension*.

        Raises:
            Skip: It does not.
        """
        if self.extensions is None:
            raise Skip(f"OPTIONS did not tell whether the server has {extension}")
        if extension not in self.extensions:
            raise Skip(f"the server does not announce {extension}")

    def connect(self, url: str) -> Conversation:
        """
        Open a connection to the server of *url*.

        Raises:
            Unanswered: There is none.
        """
        try:
            return self.target.connect(url, self.deadline)
        except OSError as error:
            raise unreachable(error) from error

    def say(
        self,
        conversation: Conversation,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        is_bare: bool = False,
    ) -> None:
        """Send a request's head: with tus and the user's headers, or *is_bare* of them."""
        sent = {"Host": urlsplit(url).netloc, "User-Agent": _AGENT, "Accept": "*/*"}
        if not is_bare:
            sent |= TUS
            own = {name.lower() for name in self.target.headers_for(url)}
            sent = {name: value for name, value in sent.items() if name.lower() not in own}
            sent |= self.target.headers_for(url)
        sent |= headers or {}
        conversation.say(method, request_target(url), sent.items())

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        is_bare: bool = False,
    ) -> Answer:
        """
        Make a request on a connection of its own, and return the answer whatever it is.

        Raises:
            Unanswered: There was none.
        """
        length = {"Content-Length": str(len(body))} if method in {"POST", "PATCH"} else {}
        with self.connect(url) as conversation:
            self.say(conversation, method, url, {**length, **(headers or {})}, is_bare=is_bare)
            conversation.send(body)
            answer = conversation.answer(to=(headers or {}).get("X-HTTP-Method-Override", method))
        self.note(answer)
        return answer

    def ask_patiently(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Do as `ask`, again and again while another request has the upload (423)."""
        for _ in range(_ATTEMPTS - 1):
            answer = self.ask(method, url, headers, body)
            if answer.status != 423:
                return answer
            time.sleep(self.deadline.within(_BETWEEN))
        return self.ask(method, url, headers, body)

    def note(self, answer: Answer) -> None:
        """Remember who answered."""
        self.has_answered = True
        for name in (*answer.all("Server"), *answer.all("Via")):
            if name and name not in self.servers:
                self.servers.append(name)

    def create(self, headers: Mapping[str, str]) -> tuple[Answer, str]:
        """
        Create an upload; return the answer and where clients should find it.

        Raises:
            Unanswered: There was no answer.
            Trouble: It was refused, or has no URL.
        """
        answer = self.granted("POST", self.ask("POST", self.target.url, headers))
        return answer, self.located(answer)

    def located(self, created: Answer) -> str:
        """
        Return the URL of the upload that was *created*, which is to be removed at the end.

        Raises:
            Trouble: It has none.
        """
        location = created.get("Location")
        if location is None:
            raise Trouble(
                "headers_lost",
                "A creation was answered without Location, so nobody knows the upload's URL.",
            )
        url = urljoin(self.target.url, location)
        if self._is_location_wrong:
            url = self.expected(url)
        self.left.append(url)
        return url

    def upload_of(self, length: int) -> str:
        """Create an upload of *length* bytes, and return its URL."""
        return self.create({"Upload-Length": str(length)})[1]

    def expected(self, url: str) -> str:
        """Return the URL that an upload at *url* should have: right below the creation URL."""
        name = urlsplit(url).path.rstrip("/").rpartition("/")[2]
        return urljoin(self.target.url.partition("?")[0].rstrip("/") + "/", name)

    def correct_locations(self) -> None:
        """From now on look for uploads where they should be, and not where Location leads."""
        self._is_location_wrong = True
        self.left[:] = map(self.expected, self.left)

    def append(
        self,
        url: str,
        offset: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "PATCH",
    ) -> Answer:
        """Send *body* at *offset*, and return the answer whatever it is."""
        sent = {**OCTETS, "Upload-Offset": str(offset), **(headers or {})}
        return self.ask_patiently(method, url, sent, body)

    def offset(self, url: str) -> int:
        """
        Ask how far the upload at *url* is.

        Raises:
            Unanswered: There was no answer.
            Trouble: HEAD is refused, or does not say.
        """
        answer = self.ask_patiently("HEAD", url)
        if not answer.is_success:
            raise Trouble.of(finding_of("HEAD", answer))
        offset = answer.number("Upload-Offset")
        if offset is None:
            raise Trouble("headers_lost", "HEAD was answered without Upload-Offset.")
        return offset

    def granted(self, method: str, answer: Answer) -> Answer:
        """
        Return *answer*, which should be a success.

        Raises:
            Trouble: It is not.
        """
        if not answer.is_success:
            raise Trouble.of(finding_of(method, answer))
        return answer

    def clean_up(self) -> None:
        """Terminate what was uploaded; `left` keeps what could not be."""
        for url in list(self.left):
            try:
                answer = self.ask_patiently("DELETE", url)
            except Unanswered:
                continue
            except OutOfTime:
                return
            if answer.is_success or answer.status in {404, 410}:
                self.left.remove(url)
