"""Knows which media types are names of the same thing, or cannot be told apart by their bytes."""

from fnmatch import fnmatchcase
from typing import Final

#: What is not known any closer; as a type that is taken, bytes of any kind.
OCTETS: Final = "application/octet-stream"
TEXT: Final = "text/plain"
HTML: Final = "text/html"
SVG: Final = "image/svg+xml"
XML: Final = "application/xml"
ZIP: Final = "application/zip"
MPEG_AUDIO: Final = "audio/mpeg"

#: What runs scripts where a browser shows it: no pattern with a star means these.
ACTIVE: Final = frozenset({HTML, SVG, "application/xhtml+xml"})

_SAME: Final = {
    "application/gzip": ("application/x-gzip",),
    "application/pdf": ("application/x-pdf",),
    "application/rtf": ("text/rtf",),
    "application/vnd.microsoft.portable-executable": (
        *("application/x-dosexec", "application/x-msdownload"),
    ),
    "application/vnd.rar": ("application/x-rar", "application/x-rar-compressed"),
    "application/x-ole-storage": ("application/cdfv2", "application/vnd.ms-office"),
    "application/x-tar": ("application/tar",),
    "application/yaml": ("application/x-yaml", "text/yaml", "text/x-yaml"),
    XML: ("text/xml",),
    ZIP: ("application/x-zip", "application/x-zip-compressed"),
    "audio/aac": ("audio/x-aac", "audio/x-hx-aac-adts", "audio/aacp"),
    "audio/flac": ("audio/x-flac",),
    "audio/midi": ("audio/x-midi", "audio/mid"),
    "audio/mp4": ("audio/m4a", "audio/x-m4a"),
    MPEG_AUDIO: ("audio/mp3", "audio/mpeg3", "audio/x-mp3", "audio/x-mpeg"),
    "audio/wav": ("audio/x-wav", "audio/wave", "audio/vnd.wave"),
    "image/bmp": ("image/x-bmp", "image/x-ms-bmp"),
    "image/jpeg": ("image/jpg", "image/pjpeg"),
    "image/png": ("image/x-png",),
    "image/vnd.microsoft.icon": ("image/x-icon",),
    "text/javascript": ("application/javascript", "application/x-javascript"),
    "video/matroska": ("video/x-matroska",),
    "video/mp4": ("video/x-m4v", "video/m4v"),
    "video/mp2t": ("video/mpegts",),
    "video/x-msvideo": ("video/avi", "video/msvideo"),
}
_CANONICAL: Final = {other: name for name, others in _SAME.items() for other in others}

_IN_TEXT: Final = (
    *("text/*", "application/json", "application/*+json", "application/x-ndjson", XML, "*/*+xml"),
    *("application/yaml", "application/toml", "application/sql", "application/x-sh"),
    *("application/x-httpd-php", "application/x-tex", "application/x-subrip", "message/rfc822"),
)
#: What bytes that show the one type may be in truth. A container does not tell by its first bytes
#: what is in it, and text not what it is about.
_MAY_BE: Final = {
    TEXT: _IN_TEXT,
    XML: ("*/*+xml",),
    HTML: ("application/xhtml+xml",),
    ZIP: (
        *("application/*+zip", "application/vnd.openxmlformats-officedocument.*"),
        *("application/vnd.oasis.opendocument.*", "application/vnd.ms-*.macroenabled.12"),
        *("application/java-archive", "application/vnd.android.package-archive"),
        *("application/vnd.google-earth.kmz", "application/x-xpinstall"),
    ),
    "application/x-ole-storage": ("application/msword", "application/vnd.ms-*"),
    "application/gzip": ("application/x-tgz", "application/x-compressed-tar"),
    "audio/ogg": ("video/ogg", "application/ogg"),
    "video/ogg": ("audio/ogg", "application/ogg"),
    "application/ogg": ("audio/ogg", "video/ogg"),
    "image/heif": ("image/heic", "image/heif-sequence", "image/heic-sequence"),
    "image/tiff": ("image/x-adobe-dng", "image/dng"),
    "video/3gpp": ("audio/3gpp", "video/3gpp2", "audio/3gpp2", "video/mp4", "audio/mp4"),
    "video/matroska": ("audio/matroska", "audio/x-matroska"),
    "video/mp4": ("audio/mp4", "video/3gpp", "audio/3gpp"),
    "video/quicktime": ("video/mp4", "audio/mp4"),
    "video/webm": ("audio/webm",),
}


def canonical(media_type: str) -> str:
    """Return the one name of a type, without its parameters."""
    name = media_type.partition(";")[0].strip().lower()
    return _CANONICAL.get(name, name)


def is_pattern(name: str) -> bool:
    """Tell whether *name* stands for several types."""
    return "*" in name


def matches(media_type: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether one of *patterns* means the type; both are canonical."""
    return any(
        media_type == pattern or (media_type not in ACTIVE and fnmatchcase(media_type, pattern))
        for pattern in patterns
    )


def may_be(shown: str, other: str) -> bool:
    """Tell whether bytes that show the type *shown* may be of the type *other* all the same."""
    return matches(other, _MAY_BE.get(shown, ()))
