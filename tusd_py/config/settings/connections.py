"""Types the settings of how clients reach the server, and what each may cost."""

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from tusd_py.config.units import Duration, Size
from tusd_py.config.values import (
    BasePath,
    HostName,
    Networks,
    OptionalCount,
    OptionalPath,
    PublicUrl,
    Workers,
)

_SERVER: Final[dict[str, Any]] = {"group": "Server"}
_PROXIES: Final[dict[str, Any]] = {"group": "Proxies"}
_LIMITS: Final[dict[str, Any]] = {"group": "Limits"}


class ConnectionSettings(BaseModel):
    """How clients reach the server, and what each may cost."""

    host: HostName = Field(
        default="127.0.0.1",
        description="Address to listen on; 0.0.0.0 or :: for every network.",
        json_schema_extra=_SERVER,
    )
    port: int = Field(
        default=1080,
        ge=0,
        le=65535,
        description="TCP port to listen on; 0 takes any free one.",
        json_schema_extra=_SERVER,
    )
    base_path: BasePath = Field(
        default="/files/",
        description="Path under which uploads are created and found.",
        json_schema_extra=_SERVER,
    )
    unix_socket: OptionalPath = Field(
        default=None,
        description="Unix socket to listen on instead of host and port. Whoever may enter its "
        "directory may connect.",
        json_schema_extra=_SERVER,
    )
    tls_certificate: OptionalPath = Field(
        default=None,
        description="PEM file with the certificate and those that lead to a root, to serve https; "
        "read anew on SIGHUP. Needs tls_key.",
        json_schema_extra=_SERVER,
    )
    tls_key: OptionalPath = Field(
        default=None,
        validate_default=True,
        description="PEM file with the certificate's private key.",
        json_schema_extra=_SERVER,
    )
    workers: Workers = Field(
        default=1,
        description="Processes that serve; auto is one for each processor.",
        json_schema_extra=_SERVER,
    )
    keepalive_timeout: Duration = Field(
        default=75.0,
        description="How long an unused connection is kept for the next request.",
        json_schema_extra=_SERVER,
    )
    shutdown_timeout: Duration = Field(
        default=30.0,
        description="How long running requests may take to end when the server stops.",
        json_schema_extra=_SERVER,
    )

    location: Literal["relative", "absolute"] = Field(
        default="relative",
        description="Whether Location is a path alone, which is right behind every proxy, or has "
        "scheme and host, which some clients need (aiotus).",
        json_schema_extra=_PROXIES,
    )
    public_url: PublicUrl = Field(
        default=None,
        description="Scheme and host that clients see, such as https://example.org, and the prefix "
        "that a proxy takes away: Location starts with it. none where location says how.",
        json_schema_extra=_PROXIES,
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Networks of proxies whose X-Forwarded-... and Forwarded headers tell scheme, "
        "host, prefix and client; unix for everybody who comes by unix_socket. Others' are "
        "ignored.",
        json_schema_extra=_PROXIES,
    )

    header_timeout: Duration = Field(
        default=15.0,
        gt=0,
        description="How long the head of a request may take; then 408 is answered, or nothing "
        "where nothing came, and the connection is closed.",
        json_schema_extra=_LIMITS,
    )
    idle_timeout: Duration = Field(
        default=60.0,
        gt=0,
        description="How long a body may stay silent; then its bytes are kept and the connection "
        "is closed.",
        json_schema_extra=_LIMITS,
    )
    min_rate: Size = Field(
        default=500,
        description="Bytes a second that a body has to bring on average; slower ones end like "
        "silent ones. 0 for any rate.",
        json_schema_extra=_LIMITS,
    )
    min_rate_window: Duration = Field(
        default=60.0,
        gt=0,
        description="Time spent waiting for a client over which its rate is measured; one that is "
        "shorter than idle_timeout ends silence, too.",
        json_schema_extra=_LIMITS,
    )
    lock_timeout: Duration = Field(
        default=10.0,
        gt=0,
        description="How long a request waits for another one to let go of the same upload.",
        json_schema_extra=_LIMITS,
    )
    max_connections: int = Field(
        default=10_000,
        ge=1,
        description="Connections that may be open, in all workers together; each has an equal "
        "share. More are answered 503 and closed.",
        json_schema_extra=_LIMITS,
    )
    max_connections_per_address: OptionalCount = Field(
        default=None,
        ge=1,
        description="How many of them one client may have, in each worker; none for no limit. Only "
        "for servers without a proxy in front: behind one, all clients have its address. IPv6 "
        "addresses count by their /64 network.",
        json_schema_extra=_LIMITS,
    )

    @field_validator("tls_key")
    @classmethod
    def _require_both_halves_of_tls(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if (key is None) != (info.data.get("tls_certificate") is None):
            raise ValueError("goes together with tls_certificate: set both, or none")
        return key
