"""Notes for hooks which request is being served."""

from dataclasses import dataclass

from aiohttp import web

from tusd_py.hooks.hook import ANSWERS, CALLER, Answer, Caller
from tusd_py.web.forwarded import Proxies


@dataclass(frozen=True, slots=True)
class Callers:
    """
    What hooks hear of requests.

    Attributes:
        headers: The names of those that are passed on; credentials are not, unless named.
        proxies: Say whose a request is.
    """

    headers: tuple[str, ...]
    proxies: Proxies

    def note(self, request: web.Request, method: str) -> list[Answer]:
        """
        Let what is done from now on in this task be done for *request*, which means *method*.

        Returns:
            Where hooks leave what its client is answered.
        """
        answers: list[Answer] = []
        ANSWERS.set(answers)
        CALLER.set(
            Caller(
                method=method,
                uri=_clean(request.raw_path),
                address=self._address(request),
                headers={
                    name: tuple(map(_clean, request.headers.getall(name)))
                    for name in self.headers
                    if name in request.headers
                },
            )
        )
        return answers

    def _address(self, request: web.Request) -> str:
        """Return address and port, as tusd does; a client behind a proxy has no port here."""
        client = self.proxies.client_of(request) or ""
        peer = request.transport.get_extra_info("peername") if request.transport else None
        if not isinstance(peer, tuple) or peer[0] != client:
            return client
        return f"[{client}]:{peer[1]}" if ":" in client else f"{client}:{peer[1]}"


def _clean(text: str) -> str:
    """Return *text* without the bytes that are no UTF-8, which JSON cannot carry."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
