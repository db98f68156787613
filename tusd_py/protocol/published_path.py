"""
Decides by which name an upload is published: a template, filled in with what cannot escape.

Every path made here is relative, has slashes between its parts, and each part is a name that every
file system and every shell takes for a plain one: nothing leads out of the directory, hides, or
means something to Windows, and what clients send never becomes a part `.` or `..`.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from string import Formatter
from typing import Final
from urllib.parse import quote

from tusd_py.protocol.metadata import parse_metadata_leniently
from tusd_py.protocol.upload import Upload

#: What a template may name.
FIELDS: Final = (
    *("owner", "date", "year", "month", "day"),
    *("id", "filename", "stem", "extension"),
)
#: How a sidecar's name ends, behind the name of its file; no published file's name ends so.
SIDECAR: Final = ".info"

#: Bytes of a name: most file systems have 255, and a number or an id, and SIDECAR, come behind it.
_LONGEST: Final = 200
#: Bytes of an ending that is kept where a name is cut.
_LONGEST_EXTENSION: Final = 20
#: Bytes of what a hook says.
_LONGEST_PATH: Final = 1000
#: Names that are tried with a number before the id makes one that nobody else has.
_NUMBERED: Final = 99
#: What browsers, too, replace in a name that they save.
_UNFIT: Final = frozenset('<>:"/\\|?*')
#: Control characters, those that turn the direction of writing, half characters, ends of lines.
_UNFIT_KINDS: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: Two of them that join letters, which Persian, Indian scripts and emoji need.
_JOINERS: Final = "\u200c\u200d"
#: Devices of Windows, whatever comes behind a dot.
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\..*)?", re.I)


class Template:
    """
    How published files are named, such as `{owner}/{date}/{id}-{filename}`.

    Raises:
        ValueError: It is none; the message says what is wrong.
    """

    def __init__(self, text: str) -> None:
        self._parts = text.split("/")
        for part in self._parts:
            _check_part(part)

    def path_of(self, upload: Upload, date: str) -> str:
        """
        Return where *upload* is published; a part of which nothing is left, is left out.

        Args:
            upload: Which.
            date: When it was created, as YYYY-MM-DD.
        """
        values = _values(upload, date)
        parts = [clean_name(part.format_map(values)) for part in self._parts]
        return "/".join(filter(None, parts)) or upload.id


def path_wanted(text: str, directory: str) -> str:
    """
    Return the path that somebody wants whom the operator trusts, as one below *directory*.

    It may be absolute, as *directory* is. What clients named is often a part of it, so it gets no
    more freedom than a name of theirs.

    Raises:
        ValueError: It leads elsewhere, or names nothing.
    """
    below = text.removeprefix(f"{directory}/")
    said = [part for part in below.split("/") if part not in {"", "."}]
    parts = [clean_name(part) for part in said]
    if below.startswith("/") or ".." in said or not all(parts) or not parts:
        raise ValueError("not a path below the directory")
    if len(text.encode()) > _LONGEST_PATH:
        raise ValueError("too long a path")
    return "/".join(parts)


def alternatives(path: str, upload_id: str) -> Iterator[str]:
    """Yield *path*, and what to take instead where it is taken; the last one nobody else has."""
    yield path
    directory, slash, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    for addition in (*range(1, _NUMBERED + 1), upload_id):
        yield f"{directory}{slash}{stem}-{addition}{dot}{extension}"


def clean_name(text: str) -> str:
    """Return the name that is most like *text*; empty where that has nothing for a name."""
    text = unicodedata.normalize("NFC", text)
    text = _trimmed("".join("_" if _is_unfit(each) else each for each in text))
    if text[:1] in {".", "-", "~"}:  # hidden, an option of some command, somebody's home
        text = f"_{text[1:]}"
    text = _shortened(text)
    if _DEVICE.fullmatch(text):
        text = f"_{text}"
    return f"{text}_" if text.casefold().endswith(SIDECAR) else text


def _trimmed(text: str) -> str:
    # Windows drops dots and spaces at the end, so that two names would be one.
    while text != (trimmed := text.strip().rstrip(".")):
        text = trimmed
    return text


def _is_unfit(character: str) -> bool:
    if character in _UNFIT:
        return True
    return unicodedata.category(character) in _UNFIT_KINDS and character not in _JOINERS


def _shortened(text: str) -> str:
    encoded = text.encode()
    if len(encoded) <= _LONGEST:
        return text
    stem, dot, extension = text.rpartition(".")
    ending = f"{dot}{extension}".encode()
    if not stem or len(ending) > _LONGEST_EXTENSION:
        return _trimmed(encoded[:_LONGEST].decode(errors="ignore"))
    return encoded[: _LONGEST - len(ending)].decode(errors="ignore") + ending.decode()


def _check_part(part: str) -> None:
    try:
        found = list(Formatter().parse(part))
    except ValueError as error:
        raise ValueError(f"is no template ({error}); write {{{{ for a brace itself") from None
    for _, name, form, conversion in found:
        if name is not None and (name not in FIELDS or form or conversion):
            known = ", ".join(f"{{{each}}}" for each in FIELDS)
            raise ValueError(f"has {{{name}}}, which is no field; there are: {known}")
    sample = part.format_map(dict.fromkeys(FIELDS, "x"))
    if clean_name(sample) != sample or not sample:
        raise ValueError(
            f"has the part {part!r}, which cannot name a directory or a file; write parts between"
            " single slashes, without '..', a dot at the beginning, or characters such as : and *"
        )


def _values(upload: Upload, date: str) -> dict[str, str]:
    filename = _filename(upload)
    stem, dot, extension = filename.rpartition(".")
    year, month, day = date.split("-")
    return {
        "owner": _owner_part(upload.owner),
        "date": date,
        "year": year,
        "month": month,
        "day": day,
        "id": upload.id,
        "filename": filename,
        "stem": stem if dot else filename,
        "extension": extension if dot else "",
    }


def _filename(upload: Upload) -> str:
    pairs = parse_metadata_leniently(upload.metadata or "")
    said = pairs.get("filename") or pairs.get("name") or b""
    return clean_name(said.decode(errors="replace")) or "unnamed"


def _owner_part(owner: str) -> str:
    """Return an owner as a name that no other one has: what is special is written as `%2F`."""
    name = quote(owner, safe="@")
    if clean_name(name) != name:
        name = "".join(f"%{byte:02X}" for byte in owner.encode())
    if len(name) > _LONGEST:
        name = f"+{hashlib.sha256(owner.encode()).hexdigest()}"  # no name above has a plus
    return name
