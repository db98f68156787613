"""Tells by its first bytes what a file is, with libmagic, which `file` uses too."""

import magic

from tusd_py.content.media_types import MPEG_AUDIO, OCTETS, TEXT, canonical
from tusd_py.content.text import text_type_of

#: What has a signature though all of it may be text.
_SIGNED_TEXT = {"application/pdf", "application/postscript", "application/rtf"}


class Sniffer:
    """Knows signatures; may be asked on any thread."""

    def __init__(self) -> None:
        self._magic = magic.Magic(mime=True)

    def type_of(self, head: bytes) -> str:
        """
        Return the canonical type that a file shows that begins with *head*.

        Bytes that nobody knows are `OCTETS`; no bytes at all are an empty text.
        """
        if not head:
            return TEXT
        found = canonical(str(self._magic.from_buffer(head)))
        if found in _SIGNED_TEXT:
            return found
        text = text_type_of(head)
        if text is not None:
            return text
        if _has_id3(head):
            # libmagic follows the tag to the sound behind it, which a picture in the tag moves
            # past these bytes; then it says that it does not know.
            return MPEG_AUDIO
        # Its guesses at text are guesses at languages, and about bytes that are no text.
        is_guess = found.startswith(("text/", "message/")) or found == "application/json"
        return OCTETS if is_guess or "/" not in found else found


def _has_id3(head: bytes) -> bool:
    """Tell whether *head* is that of an ID3v2 tag: its version, and a length in sevens of bits."""
    size = head[6:10]
    return head[:3] == b"ID3" and head[3:4] < b"\x05" and len(size) == 4 and max(size) < 0x80
