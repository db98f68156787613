"""Says whose a request is, and whether they may do what it wants."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from aiohttp import hdrs, web

from tusd_py.auth.authenticator import Authenticator, Call
from tusd_py.auth.identity import Identity, Scope
from tusd_py.errors import ForeignUpload, LinkRefused, ScopeMissing, UploadNotFound
from tusd_py.protocol.links import EXPIRES, SIGNATURE, check_link
from tusd_py.protocol.requests import Append, Create, Inspect, Terminate
from tusd_py.uploads.service import UploadService
from tusd_py.web.error_responses import EFFECTIVE_METHOD
from tusd_py.web.forwarded import Origin, Proxies
from tusd_py.web.urls import upload_id_of

#: Says whose request it is; raises an `aiohttp.web.HTTPException` to refuse it.
OwnerOf = Callable[[web.Request], Awaitable[str | Identity]]
#: The same, for whatever was configured.
Identify = Callable[[web.Request], Awaitable[Identity]]

#: Where a request keeps whose it is, once that was found out.
IDENTITY = web.RequestKey("identity", Identity)

#: Each of these is enough to learn an offset, for all three need it.
_INSPECT: Final = (Scope.READ, Scope.APPEND, Scope.CREATE)
#: What each request to an upload needs one of.
_SCOPES: Final[dict[type[Append | Inspect | Terminate], tuple[Scope, ...]]] = {
    Append: (Scope.APPEND,),
    Inspect: _INSPECT,
    Terminate: (Scope.TERMINATE,),
}
#: What a link to an upload is good for.
_LINKED_METHODS: Final = (hdrs.METH_HEAD, hdrs.METH_PATCH)
#: What ADMIN allows with everybody's uploads.
_ADMINS: Final = frozenset({Scope.READ, Scope.TERMINATE})


def identify_by_hook(owner_of: OwnerOf) -> Identify:
    """Let an application say whose a request is."""

    async def identify(request: web.Request) -> Identity:
        said = await owner_of(request)
        return said if isinstance(said, Identity) else Identity(said)

    return identify


def identify_by(authenticator: Authenticator, proxies: Proxies) -> Identify:
    """Let *authenticator* say whose a request is."""

    async def identify(request: web.Request) -> Identity:
        return await authenticator.identify(_RequestCall(request, proxies))

    return identify


def identify_by_link(keys: tuple[str, ...], service: UploadService, other: Identify) -> Identify:
    """
    Let those send an upload's bytes, as its owner, who come by a link to it that was signed.

    Everybody else, and whoever wants anything else, *other* identifies.
    """

    async def identify(request: web.Request) -> Identity:
        method = request.get(EFFECTIVE_METHOD)
        if method not in _LINKED_METHODS or SIGNATURE not in request.query:
            return await other(request)
        upload_id = upload_id_of(request)
        if upload_id is None:
            return await other(request)
        given = [request.query.getall(name, []) for name in (EXPIRES, SIGNATURE)]
        if [len(values) for values in given] != [1, 1]:
            raise LinkRefused  # which of several would count?
        (expires,), (signature,) = given
        now = service.clock()
        check_link(upload_id, expires, signature, keys=keys, now=now, purpose="upload")
        # Only now: strangers are not told whether there is such an upload.
        return Identity((await service.show(upload_id)).owner, frozenset({Scope.APPEND}))

    return identify


class _RequestCall(Call):
    """A request as an authenticator sees it; most of them look at one header alone."""

    def __init__(self, request: web.Request, proxies: Proxies) -> None:
        self._request = request
        self._proxies = proxies

    @property
    def authorization(self) -> str | None:
        return self._joined(hdrs.AUTHORIZATION, ", ")

    @property
    def cookie(self) -> str | None:
        return self._joined(hdrs.COOKIE, "; ")

    @property
    def method(self) -> str:
        method: str = self._request.get(EFFECTIVE_METHOD, self._request.method)
        return method

    @property
    def uri(self) -> str:
        return self._origin.prefix + self._request.rel_url.raw_path_qs

    @property
    def scheme(self) -> str:
        return self._origin.scheme

    @property
    def host(self) -> str:
        return self._origin.authority

    @property
    def client(self) -> str | None:
        return self._proxies.client_of(self._request)

    @cached_property
    def _origin(self) -> Origin:
        return self._proxies.origin_of(self._request)

    def _joined(self, name: str, separator: str) -> str | None:
        values = self._request.headers.getall(name, [])
        return separator.join(values) if values else None


@dataclass(frozen=True, slots=True)
class Access:
    """
    Decides who may do what.

    Attributes:
        identify: Says whose a request is.
        service: Knows whose an upload is.
        hides: Whether others' uploads are answered as if they were not there.
    """

    identify: Identify
    service: UploadService
    hides: bool = True

    async def identity_of(self, request: web.Request) -> Identity:
        """
        Return whose *request* is; that is asked once, and kept with it.

        Raises:
            TusError: What `Authenticator.identify` raises.
        """
        if IDENTITY not in request:
            request[IDENTITY] = await self.identify(request)
        return request[IDENTITY]

    async def to_create(self, request: web.Request, parsed: Create) -> str:
        """
        Return whose the upload will be.

        Raises:
            ScopeMissing: They may not create one, or not with bytes.
            TusError: What `Authenticator.identify` raises.
        """
        identity = await self.identity_of(request)
        _require(identity, Scope.CREATE)
        if parsed.payload is not None:
            _require(identity, Scope.APPEND)
        return identity.owner

    async def to_act(self, request: web.Request, parsed: Append | Inspect | Terminate) -> str:
        """Do what `_to` does, for a request that tus knows."""
        return await self._to(_SCOPES[type(parsed)], request, parsed.upload_id)

    async def to_read(self, request: web.Request, upload_id: str) -> str:
        """Do what `_to` does, for a download or its progress."""
        return await self._to((Scope.READ,), request, upload_id)

    async def _to(self, scopes: tuple[Scope, ...], request: web.Request, upload_id: str) -> str:
        """
        Return as whom to act on an upload: that is not its owner where they may not.

        Raises:
            ScopeMissing: They have none of *scopes*.
            UploadNotFound: They may act on everybody's uploads, and there is none.
            TusError: What `Authenticator.identify` raises.
        """
        identity = await self.identity_of(request)
        if Scope.ADMIN in identity.scopes and not _ADMINS.isdisjoint(scopes):
            return (await self.service.show(upload_id)).owner
        _require(identity, *scopes)
        return identity.owner

    async def explain_missing(self, request: web.Request, upload_id: str | None) -> None:
        """
        Say why there was no such upload for whose *request* is, where they may know.

        Raises:
            ForeignUpload: It is somebody else's, and such are not hidden.
        """
        identity = request.get(IDENTITY)
        if self.hides or upload_id is None or identity is None:
            return
        with suppress(UploadNotFound):
            if (await self.service.show(upload_id)).owner != identity.owner:
                raise ForeignUpload


def _require(identity: Identity, *scopes: Scope) -> None:
    """Raise `ScopeMissing` where *identity* has none of *scopes*."""
    if identity.scopes.isdisjoint(scopes):
        raise ScopeMissing(scopes)
