"""Servers that ask whose a request is, in each of the ways there are, and headers that say it."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.harness import TusServer, run_server
from tests.services import Service, document, run_service
from tests.signing import AUDIENCE, SECRET, bearer, jwk, public_pem, signed
from tusd_py import Identity
from tusd_py.auth.identity import Scope
from tusd_py.auth.tokens import new_token, token_line
from tusd_py.config.model import Settings
from tusd_py.server import create_app

Headers = dict[str, str]
#: Returns the headers of somebody with just the scopes named, or with the usual ones.
Issue = Callable[..., Headers]


@dataclass
class Guarded:
    """A server, and what makes its clients somebody."""

    server: TusServer
    issue: Issue
    service: Service | None = None


Guard = Callable[..., AbstractAsyncContextManager[Guarded]]


@asynccontextmanager
async def by_tokens(data_dir: Path, **settings: Any) -> AsyncIterator[Guarded]:
    """Guard by a file with a token of each of three people for every choice of scopes."""
    choices = (combinations(Scope, size) for size in range(1, len(Scope) + 1))
    every = (None, *map(frozenset, chain.from_iterable(choices)))
    owners = ("alice", "bob", "root")
    tokens = {(owner, scopes): new_token() for owner in owners for scopes in every}
    lines = [token_line(token, owner, scopes or ()) for (owner, scopes), token in tokens.items()]

    def issue(owner: str, scopes: Iterable[str] | None = None) -> Headers:
        return bearer(tokens[owner, None if scopes is None else frozenset(map(Scope, scopes))])

    file = _write(data_dir, "tokens", "\n".join(lines))
    async with run_server(data_dir, auth="tokens", auth_tokens=file, **settings) as server:
        yield Guarded(server, issue)


def _signed(owner: str, scopes: Iterable[str] | None = None, algorithm: str = "ES256") -> Headers:
    scope = None if scopes is None else " ".join(scopes)
    return bearer(signed(algorithm, kid="key", sub=owner, scope=scope))


@asynccontextmanager
async def by_key(data_dir: Path, **settings: Any) -> AsyncIterator[Guarded]:
    """Guard by tokens that a key in a file verifies."""
    jwt: dict[str, Any] = {"auth": "jwt", "jwt_audience": AUDIENCE}
    file = _write(data_dir, "key.pem", public_pem("ES256"))
    async with run_server(data_dir, jwt_key=file, **jwt, **settings) as server:
        yield Guarded(server, _signed)


@asynccontextmanager
async def by_secret(data_dir: Path, **settings: Any) -> AsyncIterator[Guarded]:
    """Guard by tokens that a secret verifies, which signs them, too."""
    jwt: dict[str, Any] = {"auth": "jwt", "jwt_audience": AUDIENCE, "jwt_algorithms": "HS256"}
    file = _write(data_dir, "secret", SECRET)

    def issue(owner: str, scopes: Iterable[str] | None = None) -> Headers:
        return _signed(owner, scopes, "HS256")

    async with run_server(data_dir, jwt_key=file, **jwt, **settings) as server:
        yield Guarded(server, issue)


@asynccontextmanager
async def by_published_keys(data_dir: Path, **settings: Any) -> AsyncIterator[Guarded]:
    """Guard by tokens that keys at a URL verify."""
    jwt: dict[str, Any] = {"auth": "jwt", "jwt_audience": AUDIENCE, "auth_timeout": 0.5}
    async with run_service() as service:
        service.answer = document({"keys": [jwk("ES256", kid="key")]})
        async with run_server(data_dir, jwks_url=service.url, **jwt, **settings) as server:
            yield Guarded(server, _signed, service)


@asynccontextmanager
async def by_forwarding(data_dir: Path, **settings: Any) -> AsyncIterator[Guarded]:
    """Guard by another service, which believes everything."""

    def issue(owner: str, scopes: Iterable[str] | None = None) -> Headers:
        said = "" if scopes is None else f" {' '.join(scopes)} ."
        return {"Authorization": f"Trust {owner}{said}"}

    async with run_service() as service:
        service.answer = believe
        forward: dict[str, Any] = {"auth": "forward", "auth_url": service.url, "auth_timeout": 0.5}
        async with run_server(data_dir, **(forward | settings)) as server:
            yield Guarded(server, issue, service)


async def believe(request: web.Request) -> web.Response:
    """Answer as the service of `by_forwarding` does."""
    trust, _, said = request.headers.get("Authorization", "").partition(" ")
    if not said or trust != "Trust":
        return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
    owner, *scopes = said.split()
    response = web.Response(headers={"X-Auth-Subject": owner})
    if scopes:
        response.headers["X-Auth-Scope"] = " ".join(scopes)
    return response


@asynccontextmanager
async def by_hook(data_dir: Path, **settings: Any) -> AsyncIterator[Guarded]:
    """Guard by a function of an application."""

    async def owner_of(request: web.Request) -> str | Identity:
        who, _, scopes = request.headers.get("X-Who", "").partition(" ")
        if not who:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        if not scopes:
            return who
        return Identity(who, frozenset(map(Scope, scopes.split())))

    def issue(owner: str, scopes: Iterable[str] | None = None) -> Headers:
        return {"X-Who": owner if scopes is None else f"{owner} {' '.join(scopes)}"}

    chosen = Settings.model_validate({"data_dir": data_dir, "disk_reserve": 0, **settings})
    async with run_server(data_dir, app=create_app(chosen, owner_of=owner_of)) as server:
        yield Guarded(server, issue)


GUARDS: dict[str, Guard] = {
    "tokens": by_tokens,
    "key": by_key,
    "secret": by_secret,
    "published keys": by_published_keys,
    "forwarding": by_forwarding,
    "hook": by_hook,
}


def _write(data_dir: Path, name: str, text: str) -> str:
    """Write a file beside the data directory, and return its path."""
    file = data_dir.parent / name
    file.write_text(text)
    return str(file)
