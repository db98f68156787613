"""Interface: says whose a request is."""

from typing import Protocol

from tusd_py.auth.identity import Identity


class Call(Protocol):
    """What a request says of itself; its body is nobody's business here."""

    @property
    def authorization(self) -> str | None:
        """Return the Authorization header; what stands in several is joined by commas."""
        ...

    @property
    def cookie(self) -> str | None:
        """Return the Cookie header."""
        ...

    @property
    def method(self) -> str:
        """Return what is to be done, X-HTTP-Method-Override obeyed."""
        ...

    @property
    def uri(self) -> str:
        """Return path and query as the client wrote them, and as a trusted proxy saw them."""
        ...

    @property
    def scheme(self) -> str:
        """Return http or https."""
        ...

    @property
    def host(self) -> str:
        """Return the name by which the client called this server, with its port if any."""
        ...

    @property
    def client(self) -> str | None:
        """Return the client's address; None where it has none."""
        ...


class Authenticator(Protocol):
    """Says whose a request is."""

    async def identify(self, call: Call) -> Identity:
        """
        Return whose *call* is, within a bounded time.

        Raises:
            Unauthenticated: It does not say, or not so that it can be believed.
            AccessRefused: Whoever it is may not do this.
            AuthUnavailable: It cannot be found out now, and the client is not to blame.
        """
        ...


class Everybody(Authenticator):
    """Asks nobody anything: all uploads are everybody's."""

    async def identify(self, call: Call) -> Identity:
        return Identity("")
