"""Interface: what somebody may receive in a second, in all transfers together."""

from typing import Protocol

from tusd_py.protocol.limits import Account


class Rates(Protocol):
    """Charges bytes to accounts, in all processes of the server together."""

    def charge(self, account: Account, count: int, rate: int) -> float | None:
        """
        Charge *count* bytes to *account*, which may have *rate* bytes a second.

        Returns:
            How many seconds to wait before more is received; None where another process is
            charging just now: then nothing was charged, and it is to be tried again in a moment.
        """
        ...

    def close(self) -> None:
        """Let go of files."""
        ...
