"""Types the values of settings that are neither sizes nor times, and says how each is written."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from tusd_py.config.units import WORDS_FOR_NONE, Unit

ExtensionName = Literal[
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "checksum-trailer",
    "termination",
    "concatenation",
    "concatenation-unfinished",
]
JwtAlgorithm = Literal[
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]
ChecksumAlgorithm = Literal["crc32", "crc32c", "md5", "sha1", "sha256", "sha512"]

_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~-]+")
#: The media types of RFC 6838, section 4.2.
_MEDIA_TYPE: Final = re.compile(
    r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
)
#: What runs scripts where a browser shows it.
_ACTIVE_TYPES: Final = ("html", "xml", "javascript", "ecmascript")
_ORIGIN: Final = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:\*\.)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?"
)
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


def split_list(value: object) -> object:
    """Take `a,b`, several of them, or a list; `none` and nothing at all are the empty list."""
    if not isinstance(value, str | list | tuple):
        return value
    items: list[object] = []
    for part in [value] if isinstance(value, str) else value:
        if isinstance(part, str):
            items += filter(None, map(str.strip, part.split(",")))
        else:
            items.append(part)
    if items == ["none"]:
        return ()
    return tuple(dict.fromkeys(items)) if all(isinstance(item, str) for item in items) else items


def _check_host(host: str) -> str:
    if not host or any(character.isspace() or character in "/@" for character in host):
        raise ValueError("is not a host; write a name or address, such as 127.0.0.1 or ::")
    name, colon, port = host.partition(":")
    if name and colon and port.isdecimal():
        raise ValueError(f"has a port; set host to {name} and port to {port}")
    return host


def _check_path(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("is not a path")
    try:
        return path.expanduser()
    except RuntimeError as error:  # "Could not determine home directory."
        raise ValueError("starts with a home directory that is not known here") from error


def _refuse_empty_path(value: object) -> object:
    if value == "":
        raise ValueError("is empty; name a directory")
    return value


def _normalise_base_path(path: str) -> str:
    if not path:
        raise ValueError("is empty; write a path such as /files/, or / alone")
    segments = path.strip("/").split("/") if path.strip("/") else []
    for segment in segments:
        if segment in {".", ".."} or not _SEGMENT.fullmatch(segment):
            raise ValueError(
                "is not a base path; write segments of letters, digits, '.', '_', '~' and '-' "
                "between single slashes, such as /files/"
            )
    return "/".join(["", *segments, ""])


def _check_public_url(url: str | None) -> str | None:
    if url is None:
        return None
    form = "is not a public URL; write scheme and host, such as https://example.org"
    if not is_http_url(url):
        raise ValueError(form)
    if not is_plain_url(url) or "?" in url:
        raise ValueError(f"{form} (no user, query or fragment)")
    return url.rstrip("/")


def is_http_url(url: str) -> bool:
    """Tell whether *url* has scheme http or https, a host, and a port that there is, if any."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def is_plain_url(url: str) -> bool:
    """Tell whether *url* has neither user nor fragment, and nothing that would be encoded."""
    parts = urlsplit(url)
    is_readable = url.isascii() and url.isprintable() and " " not in url
    return is_readable and not parts.fragment and "@" not in parts.netloc


def _normalise_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(_normalise_origin, origins)))


def _normalise_origin(origin: str) -> str:
    # Browsers send origins in lower case and without the scheme's own port, and compare exactly.
    origin = origin.lower()
    if origin == "*":
        return origin
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        raise ValueError(
            f"has {origin!r}, which is no origin; write scheme and host without a path, "
            "such as https://example.org, or *"
        )
    return origin.removesuffix(_DEFAULT_PORTS.get(urlsplit(origin).scheme, ""))


HostName = Annotated[str, AfterValidator(_check_host)]
DataPath = Annotated[Path, BeforeValidator(_refuse_empty_path), AfterValidator(_check_path)]
BasePath = Annotated[str, AfterValidator(_normalise_base_path)]
PublicUrl = Annotated[
    str | None,
    WORDS_FOR_NONE,
    AfterValidator(_check_public_url),
    PlainSerializer(lambda url: url or "none", return_type=str, when_used="json"),
]
Origins = Annotated[
    tuple[str, ...], BeforeValidator(split_list), AfterValidator(_normalise_origins)
]
ExtensionNames = Annotated[tuple[ExtensionName, ...], BeforeValidator(split_list)]
ChecksumAlgorithms = Annotated[tuple[ChecksumAlgorithm, ...], BeforeValidator(split_list)]
JwtAlgorithms = Annotated[tuple[JwtAlgorithm, ...], BeforeValidator(split_list)]


def _read_workers(value: object) -> int | None:
    if value in (None, "auto"):
        return None
    try:
        count = int(value) if isinstance(value, str) else value
    except ValueError:
        count = None
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError("must be a whole number no less than 1, or auto")
    return count


#: None stands for as many as there are processors.
Workers = Annotated[
    int | None,
    Unit("NUMBER|auto"),
    BeforeValidator(_read_workers),
    PlainSerializer(lambda count: count or "auto", return_type=int | str, when_used="json"),
]
#: None stands for no limit.
OptionalCount = Annotated[
    int | None,
    WORDS_FOR_NONE,
    PlainSerializer(lambda count: count or "none", return_type=int | str, when_used="json"),
]


def _refuse_active_types(types: tuple[str, ...]) -> tuple[str, ...]:
    for each in types:
        if not _MEDIA_TYPE.fullmatch(each):
            raise ValueError(f"has {each!r}, which is no media type; write them like image/png")
        if any(word in each for word in _ACTIVE_TYPES):
            raise ValueError(
                f"has {each!r}, which can run scripts in a browser; leave it out, so that it is "
                "saved rather than shown"
            )
    return types


def _read_networks(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(_read_network, items)))


def _read_network(item: str) -> str:
    if item == UNIX:
        return item
    try:
        return str(ip_network(item))
    except ValueError as error:
        hint = "write them like 10.0.0.0/8, 127.0.0.1 or unix"
        if "host bits" in str(error):
            hint = f"did you mean {ip_network(item, strict=False)}?"
        raise ValueError(f"has {item!r}, which is no network; {hint}") from None


def as_networks(items: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks among *items*, which are checked already."""
    return tuple(ip_network(item) for item in items if item != UNIX)


#: Stands among networks for those who come by a unix socket, and have no address.
UNIX: Final = "unix"
Networks = Annotated[tuple[str, ...], BeforeValidator(split_list), AfterValidator(_read_networks)]
MediaTypes = Annotated[
    tuple[str, ...], BeforeValidator(split_list), AfterValidator(_refuse_active_types)
]
OptionalPath = Annotated[
    Path | None,
    Unit("PATH"),
    WORDS_FOR_NONE,
    AfterValidator(lambda path: None if path is None else _check_path(path)),
    PlainSerializer(lambda path: str(path or "none"), return_type=str, when_used="json"),
]
