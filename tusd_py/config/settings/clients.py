"""Types the settings of what clients and browsers may ask for."""

from typing import Any, Final, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from tusd_py.config.keys import OptionalKeyFile
from tusd_py.config.units import Duration
from tusd_py.config.values import ChecksumAlgorithms, ExtensionNames, MediaTypes, Origins

_PROTOCOL: Final[dict[str, Any]] = {"group": "Protocol"}
_BROWSERS: Final[dict[str, Any]] = {"group": "Browsers"}
_DOWNLOADS: Final[dict[str, Any]] = {"group": "Downloads"}


class ClientSettings(BaseModel):
    """What clients and browsers may ask for."""

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
