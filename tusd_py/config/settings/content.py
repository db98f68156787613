"""Types the settings of which content may stay."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, PlainSerializer

from tusd_py.config.rules_file import OptionalRulesFile
from tusd_py.config.units import WORDS_FOR_NONE, Duration

_CONTENT: Final[dict[str, Any]] = {"group": "Content"}
_FORM: Final = "is no address of clamd; write unix:/run/clamav/clamd.ctl, or 127.0.0.1:3310"


def _check_address(address: str | None) -> str | None:
    if address is None:
        return None
    if address.startswith("unix:"):
        if not address.startswith("unix:/"):
            raise ValueError(_FORM)
        return address
    host, _, port = address.rpartition(":")
    is_bare_ipv6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    if not host or is_bare_ipv6 or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(_FORM)
    return address


class ContentSettings(BaseModel):
    """Which content may stay."""

    content_rules: OptionalRulesFile = Field(
        default=None,
        description="YAML file of rules for names, types and sizes of what may be uploaded; read "
        "anew on SIGHUP. Rules about types need the extra `content`.",
        json_schema_extra=_CONTENT,
    )
    digest: Literal["ignore", "check", "require"] = Field(
        default="ignore",
        description="What becomes of a sha256 that a client declares in an upload's metadata: the "
        "whole file has to have it, and with require every file has to come with one.",
        json_schema_extra=_CONTENT,
    )
    clamd: Annotated[
        str | None,
        WORDS_FOR_NONE,
        AfterValidator(_check_address),
        PlainSerializer(lambda text: text or "none", return_type=str, when_used="json"),
    ] = Field(
        default=None,
        description="Where ClamAV's daemon listens that looks at every file before it is "
        "finished: unix:/path or host:port.",
        json_schema_extra=_CONTENT,
    )
    clamd_timeout: Duration = Field(
        default=180.0,
        gt=0,
        description="How long it may take for an answer; then it is asked again later.",
        json_schema_extra=_CONTENT,
    )
