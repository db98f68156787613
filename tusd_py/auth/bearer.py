"""Reads the token of an Authorization header, and says what is wrong with it (RFC 6750)."""

import re
from typing import Final

from tusd_py.auth.authenticator import Call
from tusd_py.errors import Unauthenticated

#: RFC 6750, section 2.1; RFC 9110 lets the scheme's name be written in any case.
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE | re.ASCII)


def bearer_token(call: Call) -> str:
    """
    Return the token of *call*.

    It is taken from the header alone: what stands in a URL ends up in logs and histories.

    Raises:
        Unauthenticated: There is none, or something else.
    """
    match = _BEARER.fullmatch((call.authorization or "").strip())
    if match is None:
        # "If the request lacks any authentication information ... the resource server SHOULD NOT
        # include an error code" (RFC 6750, section 3.1).
        raise Unauthenticated("This needs a token: send Authorization: Bearer TOKEN.", "Bearer")
    return match[1]


def invalid_token(reason: str) -> Unauthenticated:
    """Return the refusal of a token; *reason* says what it is or does, and shows none of it."""
    return Unauthenticated(
        f"The token {reason}: send another one.",
        f'Bearer error="invalid_token", error_description="The token {reason}"',
    )
