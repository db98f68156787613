"""A hook over HTTP: what is sent, and what counts as its arrival."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.services import Answering, Service, always, hang, run_service
from tusd_py.errors import HookUnavailable
from tusd_py.hooks.hook import Message, Point
from tusd_py.hooks.signature import HEADER, verify
from tusd_py.hooks.webhook import Webhook, open_webhooks

NOW = 1_700_000_000.0
KEYS = ("a secret that signs at first", "a secret that signs as well")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with run_service() as running:
        yield running


def a_message(**headers: list[str]) -> Message:
    named = {name.replace("_", "-"): values for name, values in headers.items()}
    payload = {"Type": "post-finish", "Event": {"HTTPRequest": {"Header": named}}, "ü": "ü"}
    return Message("e1", "u1", Point.POST_FINISH, json.dumps(payload, ensure_ascii=False))


async def told(url: str, message: Message, *, keys: tuple[str, ...] = ()) -> None:
    async with open_webhooks([url], keys=keys, clock=lambda: NOW, within=0.5) as (hook,):
        await hook.tell(message)


async def failure(service: Service, answer: Answering) -> HookUnavailable:
    service.answer = answer
    with pytest.raises(HookUnavailable) as caught:
        await told(service.url, a_message())
    return caught.value


async def test_message_is_posted_as_json_with_its_id(service: Service) -> None:
    bodies: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response(status=204)

    service.answer = answer
    message = a_message()
    await told(service.url, message, keys=KEYS)
    (request,) = service.asked
    assert (request.method, request.path) == ("POST", "/asked")
    assert bodies == [message.payload.encode()]
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Idempotency-Key"] == "e1"
    for key in KEYS:
        assert verify(request.headers[HEADER], bodies[0], key, now=NOW)


async def test_without_keys_nothing_is_signed(service: Service) -> None:
    await told(service.url, a_message())
    assert HEADER not in service.asked[0].headers


async def test_headers_are_forwarded_but_none_that_would_change_the_message(
    service: Service,
) -> None:
    forwarded = a_message(
        Authorization=["Bearer x"],
        X_Two=["a", "b"],
        Content_Length=["1"],
        Content_Type=["text/html"],
        Host=["elsewhere"],
        Idempotency_Key=["forged"],
        Tusd_Py_Signature=["forged"],
    )
    await told(service.url, forwarded)
    (request,) = service.asked
    assert request.headers["Authorization"] == "Bearer x"
    assert request.headers.getall("X-Two") == ["a", "b"]
    assert request.headers.getall("Content-Type") == ["application/json"]
    assert request.headers.getall("Idempotency-Key") == ["e1"]
    assert request.headers["Host"].startswith("127.0.0.1")
    assert HEADER not in request.headers


@pytest.mark.parametrize("status", [199 + 101, 301, 400, 404, 410, 429, 500, 503])
async def test_any_other_answer_is_no_arrival(service: Service, status: int) -> None:
    error = await failure(service, always(status, Location="/elsewhere"))
    assert error.reason == f"answered {status}"
    assert len(service.asked) == 1, "redirects are not followed"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30),
        ("Tue, 14 Nov 2023 22:13:10 GMT", 0),
        ("soon", None),
        ("-5", None),
    ],
)
async def test_retry_after_is_read(service: Service, value: str, seconds: float | None) -> None:
    assert (await failure(service, always(503, Retry_After=value))).retry_after == seconds


async def test_silence_a_lie_and_an_absence_are_failures(service: Service) -> None:
    async def endless(_: web.Request) -> web.Response:
        return web.Response(body=bytes(70_000))

    assert "in time" in (await failure(service, hang)).reason
    assert "more than" in (await failure(service, endless)).reason
    service.url = "http://127.0.0.1:9/nobody"
    assert "cannot be reached" in (await failure(service, always())).reason


async def test_no_urls_no_hooks() -> None:
    async with open_webhooks([], keys=(), clock=lambda: NOW, within=1) as hooks:
        assert hooks == []


async def test_hook_is_named_by_its_url(service: Service) -> None:
    urls = [service.url, f"{service.url}?two"]
    async with open_webhooks(urls, keys=(), clock=lambda: NOW, within=5) as hooks:
        assert [hook.name for hook in hooks] == urls
        await asyncio.gather(*(Webhook.tell(hook, a_message()) for hook in hooks))
    assert len(service.asked) == 2
