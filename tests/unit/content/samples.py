"""Small files of many kinds, built here byte by byte, as programs write them."""

import io
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable

_SCRIPT = b"<script>alert(1)</script>"
_OFFICE = "application/vnd.openxmlformats-officedocument"


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(24) for _ in range(8)))
    ends = chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + ends


def archive(*members: tuple[str, bytes], stored: Iterable[str] = ()) -> bytes:
    """Return a ZIP of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, data in members:
            writer.writestr(name, data, zipfile.ZIP_STORED if name in stored else None)
    return file.getvalue()


def office(main: str, *, filler: bytes = b"<r/>") -> bytes:
    """Return what an office program writes; *main* says which, and comes after *filler*."""
    types = b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/"/>'
    members = (("[Content_Types].xml", types), ("_rels/.rels", filler), (main, b"<w/>" * 500))
    return archive(*members, stored=["_rels/.rels"])


def media(brand: bytes, *compatible: bytes) -> bytes:
    """Return the beginning of an ISO base media file: MP4, QuickTime, HEIF."""
    kinds = b"ftyp" + brand + b"\0\0\2\0" + b"".join(compatible)
    return struct.pack(">I", 4 + len(kinds)) + kinds + struct.pack(">I", 208) + b"moov" + bytes(200)


def riff(kind: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 100) + kind + bytes(100 - len(kind))


def mp3(tag: int = 0) -> bytes:
    """Return sound, after an ID3 tag of so many bytes."""
    frames = (b"\xff\xfb\x90\x64" + bytes(413)) * 3
    if not tag:
        return frames
    size = bytes((tag >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + b"APIC" + bytes(tag - 4) + frames


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as writer:
        member = tarfile.TarInfo("a.txt")
        member.size = 5
        writer.addfile(member, io.BytesIO(b"hello"))
    return file.getvalue()


def ole() -> bytes:
    """Return the head of a compound file, as old office programs write them."""
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + bytes.fromhex("3e000300feff0900")
    header += struct.pack("<HIII", 6, 0, 0, 0)[:10] + struct.pack(
        "<IIIIIII", 1, 1, 0, 4096, 2, 0, 0
    )
    return header.ljust(512, b"\xff") + bytes(512)


def webm(kind: bytes) -> bytes:
    fields = bytes.fromhex("42868101 42f78101 42f28104 42f38108 4282") + bytes([0x80 + len(kind)])
    fields += kind + bytes.fromhex("42878104 42858102")
    return b"\x1a\x45\xdf\xa3" + bytes([0x80 + len(fields)]) + fields + bytes(60)


GIF = bytes.fromhex(
    "474946383961080008008000000000 00ffffff21f90400000000002c00000000080008000002078 4"
    "8fa9cbed0f003b".replace(" ", "")
)
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000") + b"\xff\xdb\0C\0" + bytes(64)
PDF = b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\ntrailer <</Root 1 0 R>>\n%%EOF\n"
ZIP = archive(("a.txt", b"hello" * 100))
TEXT = b"Hello, world.\nThis is plain text.\n" * 8
NOISE = random.Random(1).randbytes(8192)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg">' + _SCRIPT + b"</svg>"
HTML = b"<!DOCTYPE html>\n<html><body>" + _SCRIPT + b"</body></html>"

#: What each shows, whatever its client says.
SHOWN: dict[str, tuple[bytes, str]] = {
    "png": (png(), "image/png"),
    "jpeg": (JPEG, "image/jpeg"),
    "jpeg-exif": (b"\xff\xd8\xff\xe1\0\xc8Exif\0\0MM\0*" + bytes(200), "image/jpeg"),
    "gif": (GIF, "image/gif"),
    "webp": (riff(b"WEBPVP8 "), "image/webp"),
    "heic": (media(b"heic", b"mif1", b"heic"), "image/heic"),
    "heif": (media(b"mif1", b"mif1", b"heic"), "image/heif"),
    "avif": (media(b"avif", b"avif", b"mif1"), "image/avif"),
    "bmp": (
        b"BM\xc8\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x08\0\0\0\x08\0\0\0\1\0\x18\0" + bytes(170),
        "image/bmp",
    ),
    "pdf": (PDF, "application/pdf"),
    "pdf-after-junk": (b"junk\n" + PDF, "application/pdf"),
    "zip": (ZIP, "application/zip"),
    "empty-zip": (archive(), "application/zip"),
    "docx": (office("word/document.xml"), f"{_OFFICE}.wordprocessingml.document"),
    "xlsx": (office("xl/workbook.xml"), f"{_OFFICE}.spreadsheetml.sheet"),
    "docx-that-hides": (office("word/document.xml", filler=NOISE), "application/zip"),
    "odt": (
        archive(
            ("mimetype", b"application/vnd.oasis.opendocument.text"),
            ("content.xml", b"<x/>" * 100),
            stored=["mimetype"],
        ),
        "application/vnd.oasis.opendocument.text",
    ),
    "epub": (
        archive(("mimetype", b"application/epub+zip"), ("a.xml", b"<x/>"), stored=["mimetype"]),
        "application/epub+zip",
    ),
    "mp4": (media(b"isom", b"isom", b"iso2", b"avc1", b"mp41"), "video/mp4"),
    "mp4-42": (media(b"mp42", b"mp42", b"isom"), "video/mp4"),
    "mp4-fragments": (media(b"iso5", b"iso5", b"dash"), "video/mp4"),
    "m4v": (media(b"M4V ", b"M4V ", b"mp42"), "video/mp4"),
    "m4a": (media(b"M4A ", b"M4A ", b"mp42"), "audio/mp4"),
    "mov": (media(b"qt  ", b"qt  "), "video/quicktime"),
    "webm": (webm(b"webm"), "video/webm"),
    "mkv": (webm(b"matroska"), "video/matroska"),
    "mp3": (mp3(), "audio/mpeg"),
    "mp3-tag": (mp3(tag=200), "audio/mpeg"),
    "mp3-picture": (mp3(tag=100_000), "audio/mpeg"),
    "wav": (riff(b"WAVEfmt \x10\0\0\0\1\0\1\0"), "audio/wav"),
    "flac": (b"fLaC\0\0\0\x22" + bytes(40), "audio/flac"),
    "ogg": (b"OggS\0\2" + bytes(20) + b"\1\x1e\1vorbis" + bytes(40), "audio/ogg"),
    "gzip": (b"\x1f\x8b\x08\0\0\0\0\0\0\3" + bytes(40), "application/gzip"),
    "tar": (tar(), "application/x-tar"),
    "doc": (ole(), "application/x-ole-storage"),
    "rar": (b"Rar!\x1a\7\1\0" + bytes(40), "application/vnd.rar"),
    "exe": (
        b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0\xb8"
        + bytes(43)
        + b"\x80\0\0\0"
        + bytes(64)
        + b"PE\0\0d\x86"
        + bytes(100),
        "application/vnd.microsoft.portable-executable",
    ),
    "text": (TEXT, "text/plain"),
    "utf-8": ("Grüße aus 中国\n".encode() * 10, "text/plain"),
    "latin-1": ("Grüße aus Köln\n".encode("latin-1") * 10, "text/plain"),
    "utf-16": ("\ufeffGrüße".encode("utf-16-le"), "text/plain"),
    "csv": (b"a,b,c\n1,2,3\n" * 10, "text/plain"),
    "json": (b'{"a": [1, 2, 3]}', "text/plain"),
    "php": (b"<?php system($_GET[0]); ?>", "text/plain"),
    "markdown": (b"# Title\n\n<h1>x</h1> " + _SCRIPT, "text/plain"),
    "xml": (b'<?xml version="1.0"?><root/>', "application/xml"),
    "empty": (b"", "text/plain"),
    "text-like-bmp": (b"BMW makes cars, and this is text.\n" * 5, "text/plain"),
    "text-like-mp3": (b"ID3 is a tag.\n" * 5, "text/plain"),
    "svg": (SVG, "image/svg+xml"),
    "svg-in-xml": (b'<?xml version="1.0"?>\n<!-- a --><!-- b -->' + SVG, "image/svg+xml"),
    "svg-with-doctype": (
        b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">' + SVG,
        "image/svg+xml",
    ),
    "svg-with-mark": (b"\xef\xbb\xbf" + SVG, "image/svg+xml"),
    "svg-with-prefix": (b'<s:svg xmlns:s="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
    "html": (HTML, "text/html"),
    "html-in-capitals": (b"<HTML><HEAD></HEAD></HTML>", "text/html"),
    "html-script": (b"\n\n  " + _SCRIPT, "text/html"),
    "html-utf-16": ("\ufeff<!DOCTYPE html>".encode("utf-16-be"), "text/html"),
    "xhtml": (b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "text/html"),
    "comment-without-end": (b"<!-- " + b"x" * 5000 + b" -->" + HTML, "text/html"),
    "page-called-gif": (b"GIF89a/*" + HTML + b"*/=1;", "text/plain"),
    "noise": (NOISE, "application/octet-stream"),
    "zeros": (bytes(4096), "application/octet-stream"),
}

#: Files that are of two kinds: they pass for the first, as everywhere.
POLYGLOTS: dict[str, tuple[bytes, str]] = {
    "gif-and-zip": (GIF + ZIP, "image/gif"),
    "png-and-zip": (png() + ZIP, "image/png"),
    "gif-and-pdf": (GIF + PDF, "image/gif"),
    "jpeg-and-page": (JPEG[:20] + b"\xff\xfe\0\x40" + HTML + bytes(30) + JPEG[20:], "image/jpeg"),
}
