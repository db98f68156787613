"""Types the settings of how and for how long uploads are kept."""

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from tusd_py.config.units import Duration, OptionalDuration, OptionalSize, Size
from tusd_py.config.values import DataPath

_DATA: Final[dict[str, Any]] = {"group": "Data"}
_UPLOADS: Final[dict[str, Any]] = {"group": "Uploads"}


class KeepingSettings(BaseModel):
    """How and for how long uploads are kept."""

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
