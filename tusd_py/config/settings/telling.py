"""Types the settings of who is told what: hooks, logs, metrics."""

from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from tusd_py.config.hooks import HeaderNames, HookEvents, HookUrls, Plugins
from tusd_py.config.keys import OptionalKeyFile
from tusd_py.config.units import Duration
from tusd_py.config.values import OptionalPath

_HOOKS: Final[dict[str, Any]] = {"group": "Hooks"}
_MONITORING: Final[dict[str, Any]] = {"group": "Monitoring"}


class TellingSettings(BaseModel):
    """Who is told what: hooks, logs, metrics."""

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
