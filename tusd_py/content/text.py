"""
Tells text from other bytes, and markup that browsers run from other text.

Text has no signature, so it is known by what it lacks: the bytes that no text has ("binary data
bytes" in the WHATWG's MIME Sniffing Standard). That holds for every encoding in use but UTF-16 and
UTF-32, which have to begin with their mark.
"""

import codecs
import re
from typing import Final

from tusd_py.content.media_types import HTML, SVG, TEXT, XML

_BINARY: Final = bytes([*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)])
_BINARY_CHARACTER: Final = re.compile(f"[{re.escape(_BINARY.decode())}]")
#: UTF-32 comes first: in little-endian it begins as UTF-16 does.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: What may come before the first tag: blanks, declarations, comments, a document type.
_BEFORE: Final = re.compile(
    r"\ufeff|\s+|<\?.*?\?>|<!--.*?-->|<!doctype\b(?:[^\[>]|\[[^\]]*\])*>",
    re.DOTALL | re.IGNORECASE,
)
#: What such a thing begins with, where its end is not in sight.
_UNENDED: Final = re.compile(r"<\?|<!--|<!doctype\b", re.IGNORECASE)
_DOCTYPE: Final = re.compile(r"<!doctype\s+(html|svg)\b", re.IGNORECASE)
_TAG: Final = re.compile(r"<(?:[a-z_][\w.-]*:)?([a-z][a-z0-9]*)\b", re.IGNORECASE)
#: Tags with which a page begins, or what becomes one. Markdown begins with others.
_PAGE: Final = {
    *("html", "head", "body", "title", "script", "style", "meta", "link", "base"),
    *("iframe", "frameset", "object", "embed"),
}


class TextReader:
    """Is shown a file from its beginning, piece by piece."""

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        self._begun = False

    def is_text(self, piece: bytes) -> bool:
        """Tell whether nothing in the next *piece* speaks against text."""
        if not self._begun:
            self._begun = True
            encoding = _encoding_of(piece)
            if encoding is not None:
                self._decoder = codecs.getincrementaldecoder(encoding)()
        if self._decoder is None:
            return len(piece.translate(None, _BINARY)) == len(piece)
        try:
            return _BINARY_CHARACTER.search(self._decoder.decode(piece)) is None
        except UnicodeDecodeError:
            return False


def text_type_of(head: bytes) -> str | None:
    """Return the type of text that begins with *head*; None where that is no text."""
    if not TextReader().is_text(head):
        return None
    # Tags are ASCII whatever the rest is; each byte of another encoding is just some character.
    encoding = _encoding_of(head) or ("utf-8" if _is_utf8(head) else "latin-1")
    return _markup_of(head.decode(encoding, "ignore"))


def _markup_of(text: str) -> str:
    position, is_xml = 0, False
    while before := _BEFORE.match(text, position):
        found = _DOCTYPE.match(before[0])
        if found is not None:
            return HTML if found[1].lower() == "html" else SVG
        is_xml = is_xml or before[0].lower().startswith("<?xml")
        position = before.end()
    if _UNENDED.match(text, position):
        return HTML  # it hides what comes next: rather refuse it
    tag = _TAG.match(text, position)
    name = tag[1].lower() if tag is not None else ""
    if name == "svg":
        return SVG
    if name in _PAGE:
        return HTML
    return XML if is_xml else TEXT


def _encoding_of(head: bytes) -> str | None:
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut off
    except UnicodeDecodeError:
        return False
    return True
