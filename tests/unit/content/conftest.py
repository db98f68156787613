"""What sniffs, where its library is there."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.clients.conftest import require


class Sniffer(NamedTuple):
    """Says what bytes show."""

    type_of: Callable[[bytes], str]


def load_sniffer() -> Sniffer:
    """Return it; without its library the test ends here."""
    try:
        from tusd_py.content import sniffing  # noqa: PLC0415 - it needs a library of the system's
    except ImportError:
        require("libmagic", present=False)
        raise
    return Sniffer(sniffing.Sniffer().type_of)


@pytest.fixture(scope="session")
def sniffer() -> Sniffer:
    return load_sniffer()
