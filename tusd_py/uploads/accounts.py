"""Says who is counted for an upload, and what they may have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from tusd_py.errors import NothingAllowed
from tusd_py.protocol.extensions import Policy
from tusd_py.protocol.limits import NO_LIMITS, Account, Kind, Limits
from tusd_py.protocol.upload import Upload

#: What has to be more than 0 before anything can be created.
_FOR_CREATION = ("open_uploads", "stored", "creations_per_hour")


@dataclass(frozen=True, slots=True)
class Accounts:
    """
    Knows everybody's limits.

    Attributes:
        owner: What each owner may have.
        address: What each address may have.
        owners: What particular owners may have instead.
        max_sizes: How large their uploads may be; None for any size.
    """

    owner: Limits = NO_LIMITS
    address: Limits = NO_LIMITS
    owners: Mapping[str, Limits] = field(default_factory=dict)
    max_sizes: Mapping[str, int | None] = field(default_factory=dict)

    def of(self, owner: str, address: str | None) -> tuple[Account, ...]:
        """Return whom a request counts for, of those who are limited in anything."""
        return tuple(self._of(owner, address))

    def of_upload(self, upload: Upload) -> tuple[Account, ...]:
        """Return whom an upload counts for; its address is kept where it is needed for that."""
        return self.of(upload.owner, upload.address)

    def policy_for(self, owner: str, policy: Policy) -> Policy:
        """Return *policy* with the size that uploads of *owner* may have."""
        if owner not in self.max_sizes:
            return policy
        return replace(policy, max_size=self.max_sizes[owner])

    @property
    def keep_addresses(self) -> bool:
        """Tell whether unfinished uploads keep the address that they came from."""
        return self.address.open_uploads is not None or self.address.stored is not None

    def _of(self, owner: str, address: str | None) -> Iterator[Account]:
        limits = self.owners.get(owner, self.owner)
        if limits != NO_LIMITS:
            yield Account(Kind.OWNER, owner, limits)
        if address is not None and self.address != NO_LIMITS:
            yield Account(Kind.ADDRESS, address, self.address)


def check_creation(accounts: tuple[Account, ...], *, with_bytes: bool) -> None:
    """Raise `NothingAllowed` where somebody may not create anything at all."""
    for account in accounts:
        for name in _FOR_CREATION:
            if getattr(account.limits, name) == 0:
                raise NothingAllowed(account.setting(name))
    if with_bytes:
        check_transfer(accounts)


def check_transfer(accounts: tuple[Account, ...]) -> None:
    """Raise `NothingAllowed` where somebody may not send anything at all."""
    for account in accounts:
        if account.limits.transfers == 0:
            raise NothingAllowed(account.setting("transfers"))


def are_counted(accounts: tuple[Account, ...]) -> bool:
    """Tell whether the state store counts anything for somebody."""
    return any(account.limits.counts_uploads for account in accounts)
