"""Handles each verb in a few lines: parse, call the service, describe."""

from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

from tusd_py.errors import (
    ExpectationFailed,
    InvalidHeader,
    LinkRefused,
    MethodNotAllowed,
    ScopeMissing,
    UnsupportedTransferCoding,
    UploadGone,
    UploadNotFound,
)
from tusd_py.metrics import Metrics
from tusd_py.protocol import responses
from tusd_py.protocol.extensions import Extension, Policy
from tusd_py.protocol.headers import TRANSFER_ENCODING, TUS_RESUMABLE
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
from tusd_py.protocol.upload import Upload
from tusd_py.uploads.service import UploadService
from tusd_py.web.access import Access
from tusd_py.web.body import RequestBody
from tusd_py.web.callers import Callers
from tusd_py.web.clients import client_of
from tusd_py.web.connection import is_ours
from tusd_py.web.cors import is_preflight
from tusd_py.web.download import Delivery
from tusd_py.web.error_responses import EFFECTIVE_METHOD
from tusd_py.web.events import show_progress, watched_id_of
from tusd_py.web.hook_answers import add_answers
from tusd_py.web.pace import BodyLimits
from tusd_py.web.urls import Locations, upload_id_of


@dataclass(frozen=True, slots=True)
class TusHandler:
    """
    Answers every request below one prefix.

    Attributes:
        service: What acts.
        locations: Says where an upload is.
        access: Says whose a request is, and whether they may do what it wants.
        downloads: Answers reads of finished uploads; None where there are none.
        limits: What a body may take its time for.
        metrics: Counts transfers.
        callers: Notes requests for hooks; None where there are none.
    """

    service: UploadService
    locations: Locations
    access: Access
    downloads: Delivery | None
    limits: BodyLimits
    metrics: Metrics
    callers: Callers | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """
        Return the response to *request*.

        Raises:
            TusError: Why it is refused; see `error_responses`.
        """
        try:
            return await self._answer(request)
        except UploadNotFound:
            upload_id = watched_id_of(request) or upload_id_of(request)
            await self.access.explain_missing(request, upload_id)
            raise

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        policy = _policy_for(request, self.service.policy)
        method = effective_method(request.method, request.headers, policy)
        request[EFFECTIVE_METHOD] = method
        if is_preflight(request):
            return _respond(responses.describe_server(policy))
        _check_message(request)
        watched_id = watched_id_of(request)
        if watched_id is not None:
            return await self._watch(watched_id, request, method)
        if self.downloads is not None and _may_be_download(request, method):
            response = await self._download(self.downloads, request, method, policy)
            if response is not None:
                return response
        if method != hdrs.METH_OPTIONS:
            # Before the rest: what is wrong with a request is nothing for strangers either.
            await self.access.identity_of(request)
        if method != hdrs.METH_GET:
            check_version(method, request.headers, policy)
        upload_id = upload_id_of(request)
        parsed = parse(method, upload_id, request.headers, policy)
        answers = [] if self.callers is None else self.callers.note(request, method)
        body = RequestBody(request, limits=self.limits, metrics=self.metrics)
        try:
            response = _respond(await self._act(parsed, request, body))
            add_answers(response, answers)
            return response
        finally:
            body.release()

    async def _watch(self, upload_id: str, request: web.Request, method: str) -> web.StreamResponse:
        if method != hdrs.METH_GET:
            raise MethodNotAllowed("This method", (hdrs.METH_GET,))
        owner = await self.access.to_read(request, upload_id)
        watch = self.service.watch(upload_id, owner)
        self.metrics.watcher_came()
        try:
            return await show_progress(request, watch, self.locations.proxies)
        finally:
            self.metrics.watcher_left()

    async def _download(
        self, downloads: Delivery, request: web.Request, method: str, policy: Policy
    ) -> web.StreamResponse | None:
        """
        Return the answer to a GET, or to a HEAD that does not speak of tus.

        None where the URL is no upload's; and for a HEAD of what nobody could GET, which is for
        tus to answer: with 412, or as `head_without_version` has it.
        """
        try:
            upload = await self._find_download(downloads, request)
        except LinkRefused:
            if method == hdrs.METH_HEAD and policy.head_without_version and not request.query:
                return None
            raise
        except (UploadNotFound, UploadGone, ScopeMissing):
            if method == hdrs.METH_HEAD and not request.query:
                return None
            raise
        if upload is None:
            return None
        response = downloads.send(upload, request, method)
        if method == hdrs.METH_HEAD and policy.head_without_version:
            response.headers.update(responses.describe_upload(upload).headers)
        return response

    async def _find_download(self, downloads: Delivery, request: web.Request) -> Upload | None:
        upload_id = upload_id_of(request)
        if upload_id is None:
            return None
        if downloads.need_link:
            # Whoever signed it answers for it: who follows a link cannot say whose they are.
            downloads.require_link(upload_id, request.query)
            return await self.service.finished_of_anybody(upload_id)
        owner = await self.access.to_read(request, upload_id)
        return await self.service.finished(upload_id, owner)

    async def _act(self, parsed: Request, request: web.Request, body: RequestBody) -> Reply:
        service = self.service
        if isinstance(parsed, Discover):
            return responses.describe_server(_policy_for(request, service.policy))
        if isinstance(parsed, Create):
            return await self._create(parsed, request, body)
        owner = await self.access.to_act(request, parsed)
        match parsed:
            case Append():
                address = self._address_of(request)
                upload = await service.append(parsed, owner, body, address=address)
                return responses.describe_append(upload)
            case Inspect():
                return responses.describe_upload(await service.inspect(parsed.upload_id, owner))
            case Terminate():
                await service.terminate(parsed.upload_id, owner)
                return responses.describe_termination()

    async def _create(self, parsed: Create, request: web.Request, body: RequestBody) -> Reply:
        owner = await self.access.to_create(request, parsed)
        address = self._address_of(request)
        upload = await self.service.create(parsed, owner, body, address=address)
        location = self.locations.of(upload.id, request)
        with_payload = parsed.payload is not None
        return responses.describe_creation(upload, location, with_payload=with_payload)

    def _address_of(self, request: web.Request) -> str | None:
        """Return what stands for the client, where its uploads and transfers are counted."""
        return client_of(self.locations.proxies.client_of(request))


def _respond(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, headers=reply.headers)


def _may_be_download(request: web.Request, method: str) -> bool:
    """Tell whether the request reads an upload, if it is one: by GET, or by HEAD outside tus."""
    if method == hdrs.METH_GET:
        return True
    # Where another method was overridden, the client waits for no body, whatever is announced.
    is_head = method == request.method == hdrs.METH_HEAD
    return is_head and TUS_RESUMABLE not in request.headers


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
