"""Chooses what looks at uploads before they are finished, by the settings."""

from collections.abc import Callable

from tusd_py.config.load import ConfigError
from tusd_py.config.model import Settings
from tusd_py.content.check import Check
from tusd_py.content.clamd import Clamd
from tusd_py.content.digest import DeclaredDigest
from tusd_py.content.media_types import OCTETS
from tusd_py.content.ruled import RuledContent
from tusd_py.content.rules import Rules


def has_checks(settings: Settings) -> bool:
    """Tell whether anything looks at uploads."""
    return (
        settings.content_rules is not None
        or settings.digest != "ignore"
        or settings.clamd is not None
    )


def make_checks(settings: Settings) -> tuple[Check, ...]:
    """
    Return what looks at uploads, the quickest first.

    Raises:
        ConfigError: A library is missing.
    """
    checks: list[Check] = []
    if settings.content_rules is not None:
        rules = Rules(settings.content_rules.rules)
        checks.append(RuledContent(rules, _sniffer() if rules.name_types else lambda _: OCTETS))
    if settings.digest != "ignore":
        checks.append(DeclaredDigest(is_required=settings.digest == "require"))
    if settings.clamd is not None:
        checks.append(Clamd(settings.clamd, timeout=settings.clamd_timeout))
    return tuple(checks)


def _sniffer() -> Callable[[bytes], str]:
    try:
        # It comes with an extra, and with a library of the system's.
        from tusd_py.content.sniffing import Sniffer  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            [
                f"content_rules that name types need libmagic ({error}): install it with"
                " `pip install 'tusd-py[content]'` and `apt-get install libmagic1`"
            ]
        ) from error
    return Sniffer().type_of
