"""Reads the file of keys that sign links to downloads."""

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, SerializationInfo

from tusd_py.config.units import WORDS_FOR_NONE, Unit

#: A line of `openssl rand -hex 32` has 64 characters, each worth four bits.
_SHORTEST: Final = 32
_LARGEST_FILE: Final = 64 * 1024
_REMEDY: Final = "write a secret in each line, such as `openssl rand -hex 32` makes"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """
    Secrets, and the file that they were in when the settings were read.

    They are read with the settings, so that a file that cannot be used is refused like any other
    setting: nothing starts with it, and a running server goes on with the keys that it has.

    Attributes:
        path: The file.
        keys: Its lines, of which the first signs.
        is_exposed: Whether every user of this machine could read it.
    """

    path: Path
    keys: tuple[str, ...] = field(repr=False)
    is_exposed: bool = False


def read_keys(path: Path) -> KeyFile:
    """
    Read a file of keys: one in each line; blank ones, and those that begin with #, are passed over.

    Raises:
        ValueError: It cannot be read, or holds no key, or a short one; the message shows no key.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_FILE:
            raise ValueError(f"is no file of keys; {_REMEDY}")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"is no text; {_REMEDY}") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ValueError(f"cannot be read ({reason}); make the file, or let us read it") from None
    keys = []
    for number, line in enumerate(text.splitlines(), start=1):
        key = line.strip()
        if not key or key.startswith("#"):
            continue
        if len(key) < _SHORTEST:
            raise ValueError(
                f"has a key of {len(key)} characters in line {number}, where {_SHORTEST} are the "
                "least; make one with `openssl rand -hex 32`"
            )
        keys.append(key)
    if not keys:
        raise ValueError(f"holds no key; {_REMEDY}")
    return KeyFile(path, tuple(keys), bool(status.st_mode & stat.S_IROTH))


def _read(value: object) -> object:
    if not isinstance(value, str | Path):
        return value
    if not str(value) or "\0" in str(value):
        raise ValueError("is not a path; name a file, or write none")
    try:
        return read_keys(Path(value).expanduser())
    except RuntimeError:  # "Could not determine home directory."
        raise ValueError("starts with a home directory that is not known here") from None


def _show(file: KeyFile | None, info: SerializationInfo[Any]) -> str | None:
    """Show where the keys are, and never what they are."""
    if file is None:
        return "none" if info.mode == "json" else None
    return str(file.path)


OptionalKeyFile = Annotated[
    KeyFile | None,
    Unit("PATH"),
    BeforeValidator(_read),
    WORDS_FOR_NONE,
    PlainSerializer(_show),
]
