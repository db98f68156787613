"""Reads the file of keys that sign links to downloads."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer

from tusd_py.config.secret_files import read_secret_file, reading, show_path
from tusd_py.config.units import WORDS_FOR_NONE, Unit

#: A line of `openssl rand -hex 32` has 64 characters, each worth four bits.
_SHORTEST: Final = 32
_REMEDY: Final = "write a secret in each line, such as `openssl rand -hex 32` makes"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """
    Secrets, and the file that they were in when the settings were read; see `SecretFile`.

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
    file = read_secret_file(path)
    keys = []
    for number, line in enumerate(file.text.splitlines(), start=1):
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
    return KeyFile(path, tuple(keys), file.is_exposed)


OptionalKeyFile = Annotated[
    KeyFile | None,
    Unit("PATH"),
    BeforeValidator(reading(read_keys)),
    WORDS_FOR_NONE,
    PlainSerializer(show_path),
]
