"""Carries a hook over HTTP."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from tusd_py.bounded_read import read_within
from tusd_py.errors import HookUnavailable
from tusd_py.hooks import signature
from tusd_py.hooks.hook import Hook, Message, Reply
from tusd_py.hooks.reply import heard, read_reply

#: More than any sensible answer has; the rest is not read.
_LONGEST_ANSWER: Final = 64 * 1024
#: Set here, or by HTTP itself, whatever is forwarded.
_OURS: Final = {
    *("connection", "content-encoding", "content-length", "content-type", "expect", "host"),
    *("idempotency-key", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"),
    signature.HEADER.lower(),
}


class Webhook(Hook):
    """
    Posts messages to one URL.

    Redirects are not followed: nobody but the operator says where messages go to.
    """

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        *,
        keys: Sequence[str],
        clock: Callable[[], float],
    ) -> None:
        self.name = url
        self._session = session
        self._keys = keys
        self._clock = clock

    async def tell(self, message: Message) -> Reply:
        """Return once it was answered 2xx; whatever else comes is no arrival, a 410 neither."""
        return heard(await self._post(message))

    async def ask(self, message: Message) -> Reply:
        """Return what it answered with 2xx; any other answer says nothing."""
        return read_reply(await self._post(message))

    async def _post(self, message: Message) -> str:
        """Return the answer's body."""
        body = message.payload.encode()
        try:
            async with self._session.post(
                self.name,
                data=body,
                headers=self._headers(message, body),
                allow_redirects=False,
            ) as response:
                if not 200 <= response.status < 300:
                    raise HookUnavailable(
                        f"answered {response.status}",
                        retry_after=_retry_after(
                            response.headers.get("Retry-After"), self._clock()
                        ),
                    )
                answer = await read_within(response.content.readany, _LONGEST_ANSWER)
        except TimeoutError as error:
            raise HookUnavailable("did not answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise HookUnavailable(f"cannot be reached: {reason}") from error
        if answer is None:
            raise HookUnavailable(f"answered more than {_LONGEST_ANSWER} bytes")
        return answer.decode(errors="replace")

    def _headers(self, message: Message, body: bytes) -> list[tuple[str, str]]:
        forwarded: dict[str, list[str]] = json.loads(message.payload)["Event"]["HTTPRequest"][
            "Header"
        ]
        headers = [
            (name, value)
            for name, values in forwarded.items()
            if name.lower() not in _OURS
            for value in values
        ]
        headers += [("Content-Type", "application/json"), ("Idempotency-Key", message.event_id)]
        if self._keys:
            signed = signature.sign(body, self._keys, now=self._clock())
            headers.append((signature.HEADER, signed))
        return headers


@asynccontextmanager
async def open_webhooks(
    urls: Sequence[str],
    *,
    keys: Sequence[str],
    clock: Callable[[], float],
    within: float,
) -> AsyncIterator[list[Webhook]]:
    """
    Yield what posts to each of *urls*, in their order.

    Args:
        urls: Where to.
        keys: What messages are signed with, all at once; none for no signature.
        clock: Returns seconds since the epoch.
        within: How long an answer may take, in seconds.
    """
    if not urls:
        yield []
        return
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=within),
        headers={"User-Agent": "tusd-py"},
    ) as session:
        yield [Webhook(url, session, keys=keys, clock=clock) for url in urls]


def _retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that Retry-After asks for; None where it is missing or no such thing."""
    if value is None:
        return None
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now)
