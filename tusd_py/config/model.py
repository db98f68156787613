"""
Types each setting, with its default, its group and its help.

Everything that shows settings (flags, tables, the example file, errors) is made from this model.
"""

import os
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tusd_py.config.access import (
    AuthMode,
    ClaimName,
    HeaderName,
    OptionalText,
    OptionalUrl,
    belongs_to,
    check_algorithms,
    check_keys,
    check_tokens,
    only_with_jwt,
)
from tusd_py.config.hooks import HeaderNames, HookEvents, HookUrls, Plugins
from tusd_py.config.keys import OptionalKeyFile
from tusd_py.config.secret_files import OptionalSecretFile, SecretFile
from tusd_py.config.units import Duration, OptionalDuration, OptionalSize, Size, Unit
from tusd_py.config.values import (
    BasePath,
    ChecksumAlgorithms,
    DataPath,
    ExtensionNames,
    HostName,
    JwtAlgorithm,
    JwtAlgorithms,
    MediaTypes,
    Networks,
    OptionalCount,
    OptionalPath,
    Origins,
    PublicUrl,
    Workers,
)

_SERVER: Final[dict[str, Any]] = {"group": "Server"}
_PROXIES: Final[dict[str, Any]] = {"group": "Proxies"}
_LIMITS: Final[dict[str, Any]] = {"group": "Limits"}
_DATA: Final[dict[str, Any]] = {"group": "Data"}
_UPLOADS: Final[dict[str, Any]] = {"group": "Uploads"}
_PROTOCOL: Final[dict[str, Any]] = {"group": "Protocol"}
_BROWSERS: Final[dict[str, Any]] = {"group": "Browsers"}
_DOWNLOADS: Final[dict[str, Any]] = {"group": "Downloads"}
_ACCESS: Final[dict[str, Any]] = {"group": "Access"}
_HOOKS: Final[dict[str, Any]] = {"group": "Hooks"}
_MONITORING: Final[dict[str, Any]] = {"group": "Monitoring"}


class Settings(BaseModel):
    """Every setting of the server; frozen, complete and valid once it exists."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    max_open_uploads_per_address: OptionalCount = Field(
        default=None,
        ge=1,
        description="Unfinished uploads that one client may have; its address is kept with them. "
        "Creating more is answered 429. Behind a proxy it needs trusted_proxies, or all clients "
        "have the proxy's address. IPv6 addresses count by their /64 network.",
        json_schema_extra=_LIMITS,
    )

    data_dir: DataPath = Field(
        default=Path("data"),
        description="Directory of uploads and state, made when missing; relative to where the "
        "server is started.",
        json_schema_extra=_DATA,
    )
    durability: Literal["strict", "relaxed"] = Field(
        default="strict",
        description="strict: bytes are on disk before the client is told; relaxed: a power cut "
        "may cost what was acknowledged last.",
        json_schema_extra=_DATA,
    )
    io: Literal["auto", "direct", "buffered"] = Field(
        default="auto",
        description="How large bodies are written: direct bypasses the page cache, buffered uses "
        "it; auto is direct where durability is strict and the file system can.",
        json_schema_extra=_DATA,
    )
    disk_reserve: Size = Field(
        default=256 * 2**20,
        description="Free disk space that uploads leave alone.",
        json_schema_extra=_DATA,
    )
    buffer_budget: Size = Field(
        default=64 * 2**20,
        ge=64 * 2**10,
        description="Memory for the receive buffers of all uploads together.",
        json_schema_extra=_DATA,
    )
    checkpoint_bytes: Size = Field(
        default=40 * 2**20,
        gt=0,
        description="Bytes after which the offset of a long body is committed, which is the most "
        "that a crash can cost.",
        json_schema_extra=_DATA,
    )
    checkpoint_interval: Duration = Field(
        default=2.0,
        gt=0,
        description="Time after which it is committed, if that comes first.",
        json_schema_extra=_DATA,
    )

    max_size: OptionalSize = Field(
        default=None,
        description="Largest upload that is accepted; none for no limit.",
        json_schema_extra=_UPLOADS,
    )
    expire_after: OptionalDuration = Field(
        default=7 * 86_400.0,
        description="How long an unfinished upload is kept; never to keep it for good.",
        json_schema_extra=_UPLOADS,
    )
    expiration: Literal["sliding", "absolute"] = Field(
        default="sliding",
        description="sliding: time counts from the last byte received; absolute: from creation.",
        json_schema_extra=_UPLOADS,
    )
    keep_tombstones: Duration = Field(
        default=7 * 86_400.0,
        description="How long an expired upload answers 410 before it answers 404.",
        json_schema_extra=_UPLOADS,
    )
    sweep_interval: Duration = Field(
        default=60.0,
        gt=0,
        description="How often expired uploads are looked for.",
        json_schema_extra=_UPLOADS,
    )
    orphan_grace: Duration = Field(
        default=86_400.0,
        description="Age at which a data file that no upload owns is removed.",
        json_schema_extra=_UPLOADS,
    )

    head_without_version: Literal["refuse", "answer"] = Field(
        default="refuse",
        description="What a HEAD without Tus-Resumable gets: 412, or its answer.",
        json_schema_extra=_PROTOCOL,
    )
    metadata: Literal["strict", "lenient"] = Field(
        default="strict",
        description="Whether unreadable Upload-Metadata is refused, or kept as it was sent.",
        json_schema_extra=_PROTOCOL,
    )
    method_override: bool = Field(
        default=True,
        description="Obey X-HTTP-Method-Override, for clients that cannot send PATCH or DELETE.",
        json_schema_extra=_PROTOCOL,
    )
    repeated_parts: bool = Field(
        default=False,
        description="Let a final upload name the same part more than once.",
        json_schema_extra=_PROTOCOL,
    )
    disabled_extensions: ExtensionNames = Field(
        default=(),
        description="Extensions to leave out, by their names in Tus-Extension; what rests on them "
        "goes too.",
        json_schema_extra=_PROTOCOL,
    )
    checksum_algorithms: ChecksumAlgorithms = Field(
        default=("crc32", "crc32c", "md5", "sha1", "sha256", "sha512"),
        description="Checksums that clients may use; sha1 has to be among them.",
        json_schema_extra=_PROTOCOL,
    )

    cors_origins: Origins = Field(
        default=("*",),
        description="Origins whose pages may upload; * for all, none to switch CORS off.",
        json_schema_extra=_BROWSERS,
    )
    cors_credentials: bool = Field(
        default=False,
        description="Let pages send cookies and credentials; needs origins by name, not *.",
        json_schema_extra=_BROWSERS,
    )
    cors_max_age: Duration = Field(
        default=86_400.0,
        description="How long browsers may keep the answer to a preflight request.",
        json_schema_extra=_BROWSERS,
    )

    page: bool = Field(
        default=True,
        description="Serve a page at / to try uploads on; switch it off where strangers come.",
        json_schema_extra=_BROWSERS,
    )

    downloads: bool = Field(
        default=True,
        description="Serve finished uploads to GET.",
        json_schema_extra=_DOWNLOADS,
    )
    inline_types: MediaTypes = Field(
        default=(
            "audio/mpeg",
            "audio/ogg",
            "audio/wav",
            "image/avif",
            "image/gif",
            "image/jpeg",
            "image/png",
            "image/webp",
            "text/plain",
            "video/mp4",
            "video/webm",
        ),
        description="Types that browsers may show, where an upload's metadata names one (filetype "
        "or type). Everything else is a file to save, of no type; what can run scripts always is.",
        json_schema_extra=_DOWNLOADS,
    )
    download_keys: OptionalKeyFile = Field(
        default=None,
        description="File with a secret in each line: then GET needs a link that `tusd-py link` "
        "signed, until it expires. The first signs, all are accepted; read anew on SIGHUP.",
        json_schema_extra=_DOWNLOADS,
    )

    auth: AuthMode = Field(
        default="none",
        description="Who says whose a request is: a file of tokens, the signature of a JSON Web "
        "Token, or another service (forward); none lets everybody do everything.",
        json_schema_extra=_ACCESS,
    )
    auth_tokens: OptionalSecretFile = Field(
        default=None,
        validate_default=True,
        description="File of tokens for auth: tokens; `tusd-py token` makes them and its lines. "
        "Read anew on SIGHUP, as jwt_key is.",
        json_schema_extra=_ACCESS,
    )
    jwt_key: OptionalSecretFile = Field(
        default=None,
        description="File with the public keys (PEM) that verify tokens for auth: jwt, or with a "
        "secret in each line where jwt_algorithms begin with HS.",
        json_schema_extra=_ACCESS,
    )
    jwks_url: OptionalUrl = Field(
        default=None,
        validate_default=True,
        description="URL of the keys instead (JWKS), asked again when a token names a new one.",
        json_schema_extra=_ACCESS,
    )
    jwt_algorithms: JwtAlgorithms = Field(
        default=("RS256", "ES256", "EdDSA"),
        validate_default=True,
        description="What tokens may be signed with: all of public keys, or all of secrets.",
        json_schema_extra=_ACCESS,
    )
    jwt_audience: OptionalText = Field(
        default=None,
        validate_default=True,
        description="What has to be the audience (aud) of tokens, or among it: this server.",
        json_schema_extra=_ACCESS,
    )
    jwt_issuer: OptionalText = Field(
        default=None,
        description="What has to be the issuer (iss) of tokens; none for any.",
        json_schema_extra=_ACCESS,
    )
    jwt_leeway: Duration = Field(
        default=30.0,
        description="By how much the clocks of whoever makes tokens may differ from this one.",
        json_schema_extra=_ACCESS,
    )
    jwt_must_expire: bool = Field(
        default=True,
        description="Refuse tokens that have no end (exp).",
        json_schema_extra=_ACCESS,
    )
    jwt_owner_claim: ClaimName = Field(
        default="sub",
        description="Claim that names the owner of uploads.",
        json_schema_extra=_ACCESS,
    )
    auth_url: OptionalUrl = Field(
        default=None,
        validate_default=True,
        description="URL that is asked about each request for auth: forward; 2xx lets it in, 401 "
        "and 403 are passed on, all else counts as down.",
        json_schema_extra=_ACCESS,
    )
    auth_owner_header: HeaderName = Field(
        default="X-Auth-Subject",
        description="Header of its answer that names the owner.",
        json_schema_extra=_ACCESS,
    )
    auth_timeout: Duration = Field(
        default=5.0,
        gt=0,
        description="How long auth_url or jwks_url may take; then clients are told to come back.",
        json_schema_extra=_ACCESS,
    )
    upload_keys: OptionalKeyFile = Field(
        default=None,
        description="File with a secret in each line, as of download_keys: who has a link that "
        "`sign_upload` signed with one of them may send that upload's bytes, and needs no token.",
        json_schema_extra=_ACCESS,
    )
    foreign_uploads: Literal["hide", "refuse"] = Field(
        default="hide",
        description="What others' uploads answer: 404 as if they were not there, or 403.",
        json_schema_extra=_ACCESS,
    )

    hooks_urls: HookUrls = Field(
        default=(),
        description="URLs that are told of uploads, by POST and in the JSON of tusd; each is told "
        "everything.",
        json_schema_extra=_HOOKS,
    )
    hooks_directory: OptionalPath = Field(
        default=None,
        description="Directory of programs that are run, each named after its event; they get the "
        "JSON on standard input.",
        json_schema_extra=_HOOKS,
    )
    hooks_plugins: Plugins = Field(
        default=(),
        description="Names of hooks that installed packages offer (entry points in the group "
        "tusd_py.hooks).",
        json_schema_extra=_HOOKS,
    )
    hooks_events: HookEvents = Field(
        default=("post-create", "post-finish", "post-terminate", "expired", "failed"),
        description="What is told, and with pre-create, pre-finish and pre-terminate what is asked "
        "before it happens. post-receive is one for every committed offset on the way.",
        json_schema_extra=_HOOKS,
    )
    hooks_forward_headers: HeaderNames = Field(
        default=(),
        description="Headers of the client's request that hooks get to see; none but these.",
        json_schema_extra=_HOOKS,
    )
    hooks_keys: OptionalKeyFile = Field(
        default=None,
        description="File with a secret in each line: each signs what hooks_urls are told, so that "
        "a new one can be added before the old one goes; read anew on SIGHUP.",
        json_schema_extra=_HOOKS,
    )
    hooks_timeout: Duration = Field(
        default=15.0,
        gt=0,
        description="How long a hook may take to answer; then it was not told, and is told again.",
        json_schema_extra=_HOOKS,
    )
    hooks_fail: Literal["refuse", "allow"] = Field(
        default="refuse",
        description="What becomes of a request when a hook that is asked cannot be reached: it is "
        "refused with 503, so that clients come back, or goes on.",
        json_schema_extra=_HOOKS,
    )
    hooks_give_up_after: Duration = Field(
        default=3 * 86_400.0,
        gt=0,
        description="How long it is told again, after longer and longer pauses of up to an hour; "
        "then `tusd-py hooks` has it.",
        json_schema_extra=_HOOKS,
    )

    log_format: Literal["text", "json"] = Field(
        default="text",
        description="How log records are written: for people, or one JSON object a line.",
        json_schema_extra=_MONITORING,
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Least important records that are logged.",
        json_schema_extra=_MONITORING,
    )

    metrics: bool = Field(
        default=False,
        description="Answer GET /metrics with figures for Prometheus; whoever can reach the server "
        "can read them.",
        json_schema_extra=_MONITORING,
    )

    @field_validator("checksum_algorithms")
    @classmethod
    def _require_sha1(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        # "The Server MUST support at least the SHA1 checksum algorithm" (tus 1.0.0, Checksum).
        if "sha1" not in names:
            raise ValueError(
                "lacks sha1, which tus requires; add it, or leave out checksums altogether with "
                "disabled_extensions: checksum"
            )
        return names

    @field_validator("cors_credentials")
    @classmethod
    def _refuse_credentials_from_anywhere(cls, allowed: bool, info: ValidationInfo) -> bool:
        # Fetch forbids the pair: with it every page could act in its visitor's name.
        if allowed and "*" in info.data.get("cors_origins", ()):
            raise ValueError("cannot be on while cors_origins has *; name the origins instead")
        return allowed

    @field_validator("tls_key")
    @classmethod
    def _require_both_halves_of_tls(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if (key is None) != (info.data.get("tls_certificate") is None):
            raise ValueError("goes together with tls_certificate: set both, or none")
        return key

    @field_validator("auth_tokens")
    @classmethod
    def _check_tokens(cls, file: SecretFile | None, info: ValidationInfo) -> SecretFile | None:
        return check_tokens(file, info)

    @field_validator("jwt_key")
    @classmethod
    def _check_key(cls, file: SecretFile | None, info: ValidationInfo) -> SecretFile | None:
        return only_with_jwt(file, info)

    @field_validator("jwks_url")
    @classmethod
    def _check_place_of_keys(cls, url: str | None, info: ValidationInfo) -> str | None:
        return check_keys(url, info)

    @field_validator("jwt_algorithms")
    @classmethod
    def _keep_keys_and_secrets_apart(
        cls, names: tuple[JwtAlgorithm, ...], info: ValidationInfo
    ) -> tuple[JwtAlgorithm, ...]:
        return check_algorithms(names, info)

    @field_validator("jwt_audience")
    @classmethod
    def _require_audience(cls, audience: str | None, info: ValidationInfo) -> str | None:
        return belongs_to("jwt", audience, info)

    @field_validator("auth_url")
    @classmethod
    def _require_service(cls, url: str | None, info: ValidationInfo) -> str | None:
        return belongs_to("forward", url, info)

    @property
    def process_count(self) -> int:
        """Return how many processes serve."""
        return self.workers or len(os.sched_getaffinity(0))


def groups() -> dict[str, list[str]]:
    """Return the names of all settings by group, both in the order of the model."""
    found: dict[str, list[str]] = {}
    for name, field in Settings.model_fields.items():
        extra = cast(dict[str, str], field.json_schema_extra)
        found.setdefault(extra["group"], []).append(name)
    return found


def form_of(name: str) -> str:
    """Return how the value of the setting *name* is written, in a word or as its choices."""
    field = Settings.model_fields[name]
    for item in field.metadata:
        if isinstance(item, Unit):
            return item.name
    if get_origin(field.annotation) is tuple:
        return "LIST"
    if get_origin(field.annotation) is Literal:
        return "|".join(get_args(field.annotation))
    forms: dict[object, str] = {
        bool: "true|false",
        int: "NUMBER",
        int | None: "NUMBER",
        Path: "PATH",
    }
    return forms.get(field.annotation, "TEXT")


def written(settings: Settings) -> dict[str, str]:
    """Return the value of every setting as people write it on one line."""
    return {
        name: value if isinstance(value, str) else _written(value)
        for name, value in settings.model_dump(mode="json").items()
    }


def _written(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return str(value).lower()
