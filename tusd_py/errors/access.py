"""Whoever asks may not do that, or nobody can say at the moment."""

from http import HTTPStatus

from tusd_py.errors.error import ProtocolError, TusError


class NotPermitted(ProtocolError):
    """
    Whoever asks may not do this, or does not say who they are.

    Attributes:
        challenge: What WWW-Authenticate says of it; None for nothing.
    """

    def __init__(self, message: str, challenge: str | None = None) -> None:
        super().__init__(message)
        self.challenge = challenge


class Unauthenticated(NotPermitted):
    """Nobody can tell whose request this is."""

    code = "unauthenticated"
    status = HTTPStatus.UNAUTHORIZED


class AccessRefused(NotPermitted):
    """The service that is asked who may do what said no."""

    code = "access_refused"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, challenge: str | None = None) -> None:
        super().__init__("You may not do this here.", challenge)


class ScopeMissing(NotPermitted):
    """It is known whose request this is, and they may not do this."""

    code = "scope_missing"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, scopes: tuple[str, ...]) -> None:
        *others, last = scopes
        names = f"{', '.join(others)} or {last}" if others else last
        super().__init__(
            f"This needs the scope {names}: ask for a token that has it.",
            f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"',
        )
        self.scopes = scopes


class ForeignUpload(NotPermitted):
    """The upload is there, and somebody else's; told only where `foreign_uploads` says so."""

    code = "foreign_upload"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("This upload is somebody else's: create one of your own.")


class ForeignOrigin(ProtocolError):
    """A page of another origin, which may not upload here, wants to watch."""

    code = "foreign_origin"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("Pages of this origin may not watch: cors_origins names those that may.")


class LinkRefused(ProtocolError):
    """A download needs a signed link, and this is none."""

    code = "link_refused"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("This needs a signed link, whole and unchanged: ask for one.")


class LinkExpired(ProtocolError):
    """
    The link was right once.

    Not 410, which says that an upload has expired: this one is still there for a new link.
    """

    code = "link_expired"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("This link has expired: ask for a new one.")


class AuthUnavailable(TusError):
    """
    Who may do what cannot be found out at the moment; nothing was read or changed.

    Attributes:
        reason: What failed, for the log alone.
        retry_after: Seconds after which it is worth asking again.
    """

    code = "auth_unavailable"

    def __init__(self, reason: str, *, retry_after: int = 5) -> None:
        super().__init__("Who may do this cannot be checked at the moment: try again soon.")
        self.reason = reason
        self.retry_after = retry_after
