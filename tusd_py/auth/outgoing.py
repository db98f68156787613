"""Asks other services, within bounds: of time, of what they may answer, and of where to."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from multidict import CIMultiDictProxy

from tusd_py.bounded_read import read_within
from tusd_py.errors import AuthUnavailable

#: More than any set of keys; what goes past it is a mistake or an attack.
_LONGEST_BODY: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What a service answered, whatever that was."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class Outgoing:
    """
    Sends GET requests to one service.

    Redirects are not followed: nobody but the operator says where requests go to. Cookies are
    not kept, or one user would come as another.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def get(self, headers: Mapping[str, str] | None = None) -> Reply:
        """
        Return the answer to one request.

        Raises:
            AuthUnavailable: There was none in time, or a broken one, or one that is too long.
        """
        try:
            async with self._session.get(
                self._url, headers=headers, allow_redirects=False
            ) as response:
                body = await read_within(response.content.readany, _LONGEST_BODY)
        except TimeoutError as error:
            raise AuthUnavailable(f"{self._url} did not answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise AuthUnavailable(f"{self._url} cannot be asked: {error}") from error
        if body is None:
            raise AuthUnavailable(f"{self._url} answered more than {_LONGEST_BODY} bytes")
        return Reply(response.status, response.headers, body)


@asynccontextmanager
async def open_outgoing(url: str, *, within: float) -> AsyncIterator[Outgoing]:
    """Yield what asks *url*, each time within so many seconds."""
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=within),
        # Services that send people to a page for signing in are to say 401 instead.
        headers={"User-Agent": "tusd-py", "Accept": "application/json"},
    ) as session:
        yield Outgoing(session, url)
