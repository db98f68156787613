"""Handles each verb in a few lines: parse, call the service, describe."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

from tusd_py.errors import ExpectationFailed, InvalidHeader, UnsupportedTransferCoding
from tusd_py.metrics import Metrics
from tusd_py.protocol import responses
from tusd_py.protocol.extensions import Extension, Policy
from tusd_py.protocol.headers import TRANSFER_ENCODING
from tusd_py.protocol.requests import (
    Append,
    Create,
    Discover,
    Inspect,
    Request,
    Terminate,
    check_version,
    effective_method,
    parse,
)
from tusd_py.protocol.responses import Reply
from tusd_py.uploads.service import UploadService
from tusd_py.web.body import RequestBody
from tusd_py.web.clients import client_of
from tusd_py.web.connection import is_ours
from tusd_py.web.cors import is_preflight
from tusd_py.web.download import send_upload
from tusd_py.web.error_responses import EFFECTIVE_METHOD
from tusd_py.web.pace import BodyLimits
from tusd_py.web.urls import Locations, upload_id_of

#: Says whose request it is; raises an `aiohttp.web.HTTPException` to refuse it.
OwnerOf = Callable[[web.Request], Awaitable[str]]


async def nobody(_: web.Request) -> str:
    """Return the owner where everybody may do everything."""
    return ""


@dataclass(frozen=True, slots=True)
class TusHandler:
    """
    Answers every request below one prefix.

    Attributes:
        service: What acts.
        locations: Says where an upload is.
        owner_of: Says whose a request is.
        downloads: Whether finished uploads can be read.
        limits: What a body may take its time for.
        metrics: Counts transfers.
    """

    service: UploadService
    locations: Locations
    owner_of: OwnerOf
    downloads: bool
    limits: BodyLimits
    metrics: Metrics

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """
        Return the response to *request*.

        Raises:
            TusError: Why it is refused; see `error_responses`.
        """
        policy = _policy_for(request, self.service.policy)
        method = effective_method(request.method, request.headers, policy)
        request[EFFECTIVE_METHOD] = method
        if is_preflight(request):
            return _respond(responses.describe_server(policy))
        _check_message(request)
        if method != hdrs.METH_GET:
            check_version(method, request.headers, policy)
        upload_id = upload_id_of(request)
        if method == hdrs.METH_GET and upload_id is not None and self.downloads:
            owner = await self.owner_of(request)
            upload = await self.service.finished(upload_id, owner)
            return send_upload(upload, self.service.data, idle_timeout=self.limits.idle_timeout)
        parsed = parse(method, upload_id, request.headers, policy)
        body = RequestBody(request, limits=self.limits, metrics=self.metrics)
        try:
            return _respond(await self._act(parsed, request, body))
        finally:
            body.release()

    async def _act(self, parsed: Request, request: web.Request, body: RequestBody) -> Reply:
        service = self.service
        if isinstance(parsed, Discover):
            return responses.describe_server(_policy_for(request, service.policy))
        owner = await self.owner_of(request)
        match parsed:
            case Create():
                address = client_of(self.locations.proxies.client_of(request))
                upload = await service.create(parsed, owner, body, address=address)
                location = self.locations.of(upload.id, request)
                with_payload = parsed.payload is not None
                return responses.describe_creation(upload, location, with_payload=with_payload)
            case Append():
                return responses.describe_append(await service.append(parsed, owner, body))
            case Inspect():
                return responses.describe_upload(await service.inspect(parsed.upload_id, owner))
            case Terminate():
                await service.terminate(parsed.upload_id, owner)
                return responses.describe_termination()


def _respond(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, headers=reply.headers)


def _policy_for(request: web.Request, policy: Policy) -> Policy:
    """Return *policy* without trailers where the server that carries us loses them."""
    return policy if is_ours(request) else policy.without(Extension.CHECKSUM_TRAILER)


def _check_message(request: web.Request) -> None:
    """Refuse what HTTP allows and this server does not understand."""
    expectation = request.headers.get(hdrs.EXPECT, "100-continue")
    if expectation.strip().lower() != "100-continue":
        raise ExpectationFailed("Expect: only 100-continue is understood.")
    coding = request.headers.get(TRANSFER_ENCODING)
    if coding is None:
        return
    if request.version < HttpVersion11:
        # "MUST treat the message as if the framing is faulty ... and close the connection"
        # (RFC 9112, section 6.1).
        raise InvalidHeader(TRANSFER_ENCODING, "is not for HTTP/1.0.")
    if coding.strip().lower() != "chunked":
        raise UnsupportedTransferCoding("Transfer-Encoding: only chunked is understood.")
