"""Published keys: cached, looked at again, bounded, and kept while their provider is down."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.services import Service, always, document, hang
from tests.signing import AUDIENCE, jwk, signed
from tests.unit.auth.calls import with_token
from tusd_py.auth.json_web_tokens import JsonWebTokens, TokenRules
from tusd_py.auth.key_set import FRESH_FOR, LOOK_EVERY, PublishedKeys
from tusd_py.auth.outgoing import open_outgoing
from tusd_py.errors import AuthUnavailable, Unauthenticated

RULES = TokenRules(algorithms=frozenset({"ES256"}), audience=AUDIENCE)
FIRST = {"keys": [jwk("ES256", 1, kid="first")]}
BOTH = {"keys": [jwk("ES256", 1, kid="first"), jwk("ES256", 2, kid="second")]}
SECOND = {"keys": [jwk("ES256", 2, kid="second")]}


class Provider:
    """A provider, and the time that its reader sees."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.now = 1000.0
        self.keys: PublishedKeys
        self.known: JsonWebTokens

    async def owner_of(self, number: int, kid: str | None) -> str:
        token = signed("ES256", number, kid=kid)
        return (await self.known.identify(with_token(token))).owner

    async def settle(self) -> None:
        """Wait until nobody asks any more."""
        async with asyncio.timeout(5):
            while self.keys._reading is not None:
                await asyncio.sleep(0.01)


@pytest.fixture
async def provider(service: Service) -> AsyncIterator[Provider]:
    provider = Provider(service)
    service.answer = document(FIRST)
    async with open_outgoing(service.url, within=0.5) as outgoing:
        provider.keys = PublishedKeys(outgoing, ["ES256"], clock=lambda: provider.now)
        provider.known = JsonWebTokens(provider.keys, RULES)
        yield provider
        await provider.keys.close()


async def test_keys_are_asked_for_once(provider: Provider) -> None:
    owners = await asyncio.gather(*(provider.owner_of(1, "first") for _ in range(20)))
    assert owners == ["alice"] * 20
    assert await provider.owner_of(1, None) == "alice"
    assert len(provider.service.asked) == 1


async def test_a_new_key_is_found_as_soon_as_a_token_names_it(provider: Provider) -> None:
    assert await provider.owner_of(1, "first") == "alice"
    provider.service.answer = document(BOTH)
    provider.now += LOOK_EVERY
    assert await provider.owner_of(2, "second") == "alice"
    assert await provider.owner_of(1, "first") == "alice"
    assert len(provider.service.asked) == 2


async def test_made_up_names_are_refused_and_looked_for_now_and_then_alone(
    provider: Provider,
) -> None:
    """A flood of forged tokens is no flood at the provider."""
    with pytest.raises(Unauthenticated, match="key that is not known here"):
        await provider.owner_of(1, "made up")
    for attempt in range(20):
        # A key that is new by a moment could have that name: no client is to lose an upload by it.
        with pytest.raises(AuthUnavailable) as caught:
            await provider.owner_of(1, f"made up {attempt}")
        assert 0 < caught.value.retry_after <= LOOK_EVERY
    assert len(provider.service.asked) == 1
    provider.now += LOOK_EVERY
    with pytest.raises(Unauthenticated):
        await provider.owner_of(1, "made up")
    assert len(provider.service.asked) == 2
    assert await provider.owner_of(1, "first") == "alice"


async def test_the_wrong_key_of_two_does_not_verify(provider: Provider) -> None:
    provider.service.answer = document(BOTH)
    with pytest.raises(Unauthenticated, match="signed by somebody else"):
        await provider.owner_of(1, "second")
    assert await provider.owner_of(2, None) == "alice"


async def test_a_key_that_was_taken_back_is_forgotten(provider: Provider) -> None:
    assert await provider.owner_of(1, "first") == "alice"
    provider.service.answer = document(SECOND)
    provider.now += FRESH_FOR
    assert await provider.owner_of(1, "first") == "alice"  # nobody waits for the new ones
    await provider.settle()
    assert len(provider.service.asked) == 2
    provider.now += LOOK_EVERY
    with pytest.raises(Unauthenticated):
        await provider.owner_of(1, "first")


async def test_known_keys_stay_good_while_the_provider_is_down(provider: Provider) -> None:
    assert await provider.owner_of(1, "first") == "alice"
    provider.service.answer = always(503)
    for _ in range(3):
        provider.now += FRESH_FOR
        assert await provider.owner_of(1, "first") == "alice"
        await provider.settle()
    assert len(provider.service.asked) == 4
    provider.now += LOOK_EVERY
    # Whether there is such a key cannot be told: 401 would cost somebody an upload.
    with pytest.raises(AuthUnavailable, match="cannot be checked at the moment"):
        await provider.owner_of(2, "second")
    provider.service.answer = document(BOTH)
    with pytest.raises(AuthUnavailable):
        await provider.owner_of(2, "second")
    provider.now += LOOK_EVERY
    assert await provider.owner_of(2, "second") == "alice"


async def redirect(request: web.Request) -> web.Response:
    if request.path == "/elsewhere":
        return web.json_response(FIRST)
    return web.Response(status=302, headers={"Location": "/elsewhere"})


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 65536)


async def broken(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    "answer",
    [
        *(always(404), always(500), always(204), redirect, hang, endless, broken),
        *(document([]), document({"keys": []}), document({"keys": [jwk("ES384")]})),
        always(200),
    ],
    ids=[
        *("404", "500", "204", "redirect", "slow", "endless", "broken off"),
        *("no set", "empty", "of other algorithms", "no json"),
    ],
)
async def test_what_is_no_key_set_is_no_refusal(
    provider: Provider, answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    provider.service.answer = answer  # type: ignore[assignment] # one of those above
    async with asyncio.timeout(3):
        with pytest.raises(AuthUnavailable):
            await provider.owner_of(1, "first")
    asked = [request.path for request in provider.service.asked]
    assert set(asked) == {"/asked"}  # again, where the connection was lost
    (record,) = (each for each in caplog.records if each.name == "tusd_py.auth.key_set")
    assert record.message.startswith("The keys that verify tokens stay as they are: ")
    provider.now += LOOK_EVERY
    provider.service.answer = document(FIRST)
    assert await provider.owner_of(1, "first") == "alice"


async def test_somebody_who_gives_up_takes_nothing_from_the_others(provider: Provider) -> None:
    arrived = asyncio.Event()

    async def slowly(_: web.Request) -> web.Response:
        arrived.set()
        await asyncio.sleep(0.1)
        return web.json_response(FIRST)

    provider.service.answer = slowly
    impatient = asyncio.create_task(provider.owner_of(1, "first"))
    await arrived.wait()
    patient = asyncio.create_task(provider.owner_of(1, "first"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == "alice"
    assert len(provider.service.asked) == 1
    assert impatient.cancelled()
