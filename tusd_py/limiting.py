"""Says what the settings mean for those whose uploads are counted."""

from dataclasses import replace

from tusd_py.config.model import Settings
from tusd_py.protocol.limits import Limits
from tusd_py.uploads.accounts import Accounts


def accounts_of(settings: Settings) -> Accounts:
    """Return who may have what."""
    owner = Limits(
        open_uploads=settings.max_open_uploads_per_owner,
        stored=settings.max_stored_per_owner,
        creations_per_hour=settings.max_creations_per_hour_per_owner,
        transfers=settings.max_transfers_per_owner,
        rate=settings.max_rate_per_owner,
    )
    address = Limits(
        open_uploads=settings.max_open_uploads_per_address,
        stored=settings.max_stored_per_address,
        creations_per_hour=settings.max_creations_per_hour_per_address,
        transfers=settings.max_transfers_per_address,
        rate=settings.max_rate_per_address,
    )
    owners: dict[str, Limits] = {}
    max_sizes: dict[str, int | None] = {}
    for name, said in settings.owner_limits.owners.items() if settings.owner_limits else ():
        given = said.given()
        if "max_size" in given:
            max_sizes[name] = given.pop("max_size")
        owners[name] = replace(owner, **given)
    return Accounts(owner, address, owners, max_sizes)
