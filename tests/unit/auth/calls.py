"""Requests as far as an authenticator looks at them."""

from dataclasses import dataclass

from tusd_py.auth.authenticator import Call


@dataclass
class FakeCall(Call):
    """A request that says just what a test wants."""

    authorization: str | None = None
    cookie: str | None = None
    method: str = "PATCH"
    uri: str = "/files/0123"
    scheme: str = "https"
    host: str = "example.org"
    client: str | None = "192.0.2.1"


def with_token(token: str) -> FakeCall:
    return FakeCall(authorization=f"Bearer {token}")
