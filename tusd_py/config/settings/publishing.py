"""Types the settings of where finished uploads are put for others."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
)

from tusd_py.config.values import OptionalPath
from tusd_py.protocol.published_path import Template

_PUBLISHING: Final[dict[str, Any]] = {"group": "Publishing"}


def _check_template(text: str) -> str:
    Template(text)
    return text


def _read_mode(value: object) -> object:
    """Take `640`, too, and what YAML makes of 0640, which is an octal number there."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:04o}"
    return value.removeprefix("0o").zfill(4) if isinstance(value, str) else value


class PublishingSettings(BaseModel):
    """Where finished uploads are put for others."""

    publish: Literal["none", "link", "move"] = Field(
        default="none",
        description="What becomes of finished uploads. link: they get a second name in "
        "publish_directory, and stay; move: they are there alone.",
        json_schema_extra=_PUBLISHING,
    )
    publish_directory: OptionalPath = Field(
        default=None,
        validate_default=True,
        description="Where they are published, made when missing; on the file system of data_dir, "
        "else they are copied.",
        json_schema_extra=_PUBLISHING,
    )
    publish_path: Annotated[str, AfterValidator(_check_template)] = Field(
        default="{owner}/{date}/{id}-{filename}",
        description="How they are named below it: owner, date, year, month and day (of the "
        "creation, UTC), id, filename, stem and extension are filled in.",
        json_schema_extra=_PUBLISHING,
    )
    publish_sidecar: bool = Field(
        default=False,
        description="Put a file of JSON beside each, named like it with .info behind, that says "
        "what is known of the upload.",
        json_schema_extra=_PUBLISHING,
    )
    publish_mode: Annotated[
        Literal["0600", "0640", "0644", "0660", "0664"], BeforeValidator(_read_mode)
    ] = Field(
        default="0640",
        description="Their mode; whoever may read or write them may do so with the directories "
        "that are made for them. With link nobody else may write.",
        json_schema_extra=_PUBLISHING,
    )

    @field_validator("publish_directory")
    @classmethod
    def _require_directory(cls, directory: Path | None, info: ValidationInfo) -> Path | None:
        chosen = info.data.get("publish")
        if directory is None and chosen in {"link", "move"}:
            raise ValueError(f"has to be set where publish is {chosen}")
        if directory is not None and chosen == "none":
            raise ValueError("does nothing while publish is none; set that to link or move")
        return directory

    @field_validator("publish_mode")
    @classmethod
    def _keep_uploads_as_they_are(cls, mode: str, info: ValidationInfo) -> str:
        if info.data.get("publish") == "link" and int(mode, 8) & 0o022:
            raise ValueError(
                "lets others write to what is also the upload; take 0640, or set publish to move"
            )
        return mode
