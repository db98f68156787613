"""Types the settings of what each owner, and each address, may have."""

from typing import Any, Final

from pydantic import BaseModel, Field

from tusd_py.config.owner_limits import (
    MOST_TRANSFERS,
    Amount,
    Count,
    OptionalOwnerLimits,
    Rate,
)

_LIMITS: Final[dict[str, Any]] = {"group": "Limits for each client"}


class LimitSettings(BaseModel):
    """What each owner, and each address, may have."""

    max_open_uploads_per_owner: Count = Field(
        default=None,
        ge=0,
        description="Unfinished uploads that one owner may have; creating more is answered 429. "
        "With auth none all uploads are one owner's.",
        json_schema_extra=_LIMITS,
    )
    max_stored_per_owner: Amount = Field(
        default=None,
        description="Bytes that one owner may have here, in finished uploads and reserved for "
        "unfinished ones; more are answered 413.",
        json_schema_extra=_LIMITS,
    )
    max_creations_per_hour_per_owner: Count = Field(
        default=None,
        ge=0,
        description="Uploads that one owner may create within any 3600 seconds; more are answered "
        "429.",
        json_schema_extra=_LIMITS,
    )
    max_transfers_per_owner: Count = Field(
        default=None,
        ge=0,
        le=MOST_TRANSFERS,
        description="Bodies that are received from one owner at the same time; others wait, and "
        "after lock_timeout they are answered 423, or 429 where they would create an upload.",
        json_schema_extra=_LIMITS,
    )
    max_rate_per_owner: Rate = Field(
        default=None,
        description="Bytes a second that are received from one owner, in all transfers together.",
        json_schema_extra=_LIMITS,
    )
    max_open_uploads_per_address: Count = Field(
        default=None,
        ge=0,
        description="Unfinished uploads that one client may have; its address is kept with them. "
        "Creating more is answered 429. Behind a proxy it needs trusted_proxies, or all clients "
        "have the proxy's address. IPv6 addresses count by their /64 network.",
        json_schema_extra=_LIMITS,
    )
    max_stored_per_address: Amount = Field(
        default=None,
        description="The same as max_stored_per_owner for one client; its address is kept with "
        "its uploads for as long as they are here.",
        json_schema_extra=_LIMITS,
    )
    max_creations_per_hour_per_address: Count = Field(
        default=None,
        ge=0,
        description="The same as max_creations_per_hour_per_owner for one client; its address is "
        "kept for an hour.",
        json_schema_extra=_LIMITS,
    )
    max_transfers_per_address: Count = Field(
        default=None,
        ge=0,
        le=MOST_TRANSFERS,
        description="The same as max_transfers_per_owner for one client.",
        json_schema_extra=_LIMITS,
    )
    max_rate_per_address: Rate = Field(
        default=None,
        description="The same as max_rate_per_owner for one client.",
        json_schema_extra=_LIMITS,
    )
    owner_limits: OptionalOwnerLimits = Field(
        default=None,
        description="YAML file with other limits for particular owners (docs/limits.md); read "
        "anew on SIGHUP.",
        json_schema_extra=_LIMITS,
    )
