"""
Asks another service about every request, as nginx's auth_request and Traefik's forwardAuth do.

Nothing is remembered: whom it lets in for one request it can keep out of the next.
"""

import logging
from typing import Final

from tusd_py.auth.authenticator import Authenticator, Call
from tusd_py.auth.identity import ORDINARY, Identity, is_owner, known_scopes
from tusd_py.auth.outgoing import Outgoing, Reply
from tusd_py.errors import AccessRefused, AuthUnavailable, Unauthenticated

log = logging.getLogger(__name__)

#: Where the service may say what this client may do, as a token's `scope` does.
SCOPE_HEADER: Final = "X-Auth-Scope"
_CHALLENGE: Final = "WWW-Authenticate"


class ForwardAuth(Authenticator):
    """
    Passes on who a client says it is, and believes the answer.

    Args:
        service: Who is asked.
        owner_header: The header of its answer that names the owner.
    """

    def __init__(self, service: Outgoing, *, owner_header: str) -> None:
        self._service = service
        self._owner_header = owner_header

    async def identify(self, call: Call) -> Identity:
        try:
            return self._believe(await self._service.get(_headers(call)))
        except AuthUnavailable as error:
            log.error("Nobody could say whose a request is: %s", error.reason)
            raise

    def _believe(self, reply: Reply) -> Identity:
        if 200 <= reply.status < 300:
            return self._identity(reply)
        # What no header can hold would cost the client its answer.
        challenges = filter(str.isprintable, reply.headers.getall(_CHALLENGE, []))
        challenge = ", ".join(challenges)
        if reply.status == 401:
            raise Unauthenticated("Who are you? Sign in first.", challenge or "Bearer")
        if reply.status == 403:
            raise AccessRefused(challenge or None)
        raise AuthUnavailable(
            f"the service at auth_url answered {reply.status}, where it has to answer 2xx, 401 or"
            " 403"
        )

    def _identity(self, reply: Reply) -> Identity:
        owners = reply.headers.getall(self._owner_header, [])
        if len(owners) != 1 or not is_owner(owners[0]):
            # Rather nobody than everybody under one name.
            raise AuthUnavailable(
                f"the service at auth_url let a request in, and its {self._owner_header} names no"
                " owner: see auth_owner_header"
            )
        scopes = reply.headers.getall(SCOPE_HEADER, [])
        named = known_scopes(" ".join(scopes).split()) if scopes else ORDINARY
        return Identity(owners[0], named)


def _headers(call: Call) -> dict[str, str]:
    said = {
        "Authorization": call.authorization,
        "Cookie": call.cookie,
        "X-Forwarded-Method": call.method,
        "X-Forwarded-Proto": call.scheme,
        "X-Forwarded-Host": call.host,
        "X-Forwarded-Uri": call.uri,
        "X-Forwarded-For": call.client,
    }
    # What is no UTF-8 cannot be passed on as it came.
    return {name: value.encode(errors="replace").decode() for name, value in said.items() if value}
