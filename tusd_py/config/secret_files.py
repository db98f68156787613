"""Reads files of secrets together with the settings that name them."""

import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

from pydantic import BeforeValidator, PlainSerializer, SerializationInfo

from tusd_py.config.units import WORDS_FOR_NONE, Unit

_LARGEST_FILE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class SecretFile:
    """
    A file's content, as it was when the settings were read.

    It is read with them, so that a file that cannot be used is refused like any other setting:
    nothing starts with it, and a running server goes on with what it has.

    Attributes:
        path: The file.
        text: What is in it.
        is_exposed: Whether every user of this machine could read it.
    """

    path: Path
    text: str = field(repr=False)
    is_exposed: bool = False


def read_secret_file(path: Path) -> SecretFile:
    """
    Read a file whole.

    Raises:
        ValueError: It cannot be read, or is no such file; the message shows nothing of it.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is no file")
        if status.st_size > _LARGEST_FILE:
            raise ValueError(f"is a file of more than {_LARGEST_FILE // 1024} KiB")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError("is a file that holds no text") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ValueError(f"cannot be read ({reason}); make the file, or let us read it") from None
    return SecretFile(path, text, bool(status.st_mode & stat.S_IROTH))


def reading(read: Callable[[Path], object]) -> Callable[[object], object]:
    """Return what makes of a setting's path what *read* finds in that file."""

    def validate(value: object) -> object:
        if not isinstance(value, str | Path):
            return value
        if not str(value) or "\0" in str(value):
            raise ValueError("is not a path; name a file, or write none")
        try:
            return read(Path(value).expanduser())
        except RuntimeError:  # "Could not determine home directory."
            raise ValueError("starts with a home directory that is not known here") from None

    return validate


class HasPath(Protocol):
    """What was read from a file of secrets."""

    @property
    def path(self) -> Path:
        """Return the file."""
        ...


def show_path(file: HasPath | None, info: SerializationInfo[Any]) -> str | None:
    """Show where the secrets are, and never what they are."""
    if file is None:
        return "none" if info.mode == "json" else None
    return str(file.path)


OptionalSecretFile = Annotated[
    SecretFile | None,
    Unit("PATH"),
    BeforeValidator(reading(read_secret_file)),
    WORDS_FOR_NONE,
    PlainSerializer(show_path),
]
