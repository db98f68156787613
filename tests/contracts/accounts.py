"""Those whom limits count in the tests."""

from typing import Any

from tests.contracts.examples import an_upload
from tusd_py.protocol.limits import Account, Kind, Limits
from tusd_py.protocol.upload import Upload
from tusd_py.state.state_store import StateStore

ADDRESS = "192.0.2.1"


def at(address: str = ADDRESS, **limits: int) -> tuple[Account, ...]:
    """Return an address that may have so much."""
    return (Account(Kind.ADDRESS, address, Limits(**limits)),)


def of(owner: str = "", **limits: int) -> tuple[Account, ...]:
    """Return an owner who may have so much."""
    return (Account(Kind.OWNER, owner, Limits(**limits)),)


def from_address(number: int, **changes: Any) -> Upload:
    return an_upload(number, **{"address": ADDRESS, **changes})


async def usage_of(state: StateStore, name: str = "", kind: Kind = Kind.OWNER) -> tuple[int, int]:
    """Return the open uploads and the bytes that somebody has."""
    for each in await state.usage(kind):
        if each.name == name:
            return each.open_uploads, each.stored
    return 0, 0
