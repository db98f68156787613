"""Speaks HTTP with a tus server, within time limits, and asks it what it can do."""

from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urljoin

import requests
from tusclient.exceptions import TusCommunicationError

from tusd_py.cli.failures import failure_of, not_a_tus_server
from tusd_py.cli.output import Failure

#: Seconds to connect or to pass on one block of a body, and seconds to wait for an answer.
TIME_LIMITS: Final = (20.0, 60.0)


@dataclass(frozen=True, slots=True)
class Server:
    """
    What a tus server says of itself.

    Attributes:
        url: Where uploads are created.
        verifies_sha1: Whether it checks each chunk against its SHA-1.
        max_size: The largest upload it takes; None when it does not say.
    """

    url: str
    verifies_sha1: bool
    max_size: int | None


class Connection:
    """Makes requests over connections that are kept, each with a time limit."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._session = requests.Session()
        # So that refusals are short enough to be shown.
        self._session.headers["Accept"] = "application/problem+json, text/plain;q=0.9"
        self._session.headers.update(headers)

    def request(self, method: str, url: str, **arguments: Any) -> requests.Response:
        """
        Return the answer, whatever its status; redirects are not followed.

        Raises:
            TusCommunicationError: There was none.
        """
        try:
            return self._session.request(
                method, url, timeout=TIME_LIMITS, allow_redirects=False, **arguments
            )
        except requests.RequestException as error:
            raise TusCommunicationError(error) from error

    def discover(self, url: str) -> Server:
        """
        Ask what is at *url*.

        Raises:
            Failure: Nothing that uploads can be made with.
        """
        try:
            answer = self.request("OPTIONS", url)
        except TusCommunicationError as error:
            raise failure_of(error, url) from error
        if answer.is_redirect:
            target = urljoin(url, answer.headers["Location"])
            raise Failure("redirected", f"{url} redirects elsewhere; use --to {target}")
        if answer.status_code in {401, 403, 407, 429, 500, 502, 503, 504}:
            # From whoever stands before the server, or it is not itself: no word about tus.
            raise failure_of(refusal(answer), url)
        if "1.0.0" not in _items(answer, "Tus-Version"):
            raise not_a_tus_server(url, answer.status_code)
        extensions = _items(answer, "Tus-Extension")
        if "creation" not in extensions:
            raise Failure("no_creation", f"{url} does not let clients create uploads")
        algorithms = _items(answer, "Tus-Checksum-Algorithm")
        max_size = answer.headers.get("Tus-Max-Size", "")
        return Server(
            url=url,
            verifies_sha1="checksum" in extensions and "sha1" in algorithms,
            max_size=int(max_size) if max_size.isdecimal() else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()


def _items(answer: requests.Response, header: str) -> set[str]:
    return {item.strip() for item in answer.headers.get(header, "").split(",")}


def succeeded(answer: requests.Response) -> bool:
    """Tell whether the request was granted; requests' own `ok` holds for redirects too."""
    return 200 <= answer.status_code < 300


def refusal(answer: requests.Response) -> TusCommunicationError:
    """Return *answer* as the error that tuspy would make of it."""
    return TusCommunicationError(None, answer.status_code, answer.content)
