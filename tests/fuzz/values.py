"""What fields can say, and other things that can be sent: right, at the limit, wrong."""

import base64
from typing import Final

_SHA1: Final = "sha1 " + base64.b64encode(bytes(20)).decode()
_NUMBERS: Final = (
    *("0", "1", "5", "7", "300", "400000", "4194304", "4194305", "-1", "+5", "5.0", "1e3", "0x10"),
    *("", " ", "007", "5 5", "5,5", "\u00b2", "9223372036854775807", "9223372036854775808"),
    *("99999999999999999999999999", "NaN", "1_0", "true"),
)
VALUES: Final[dict[str, tuple[str, ...]]] = {
    "Upload-Offset": _NUMBERS,
    "Upload-Length": _NUMBERS,
    "Upload-Defer-Length": ("1", "0", "true", "", "11"),
    "Content-Length": _NUMBERS,
    "Transfer-Encoding": (
        *("chunked", "Chunked", "gzip", "identity", "gzip, chunked", "chunked, gzip"),
        *("chunked;q=1", "chunked, chunked", "xchunked", "", ",chunked", "\x0bchunked"),
        '"chunked"',
    ),
    "Tus-Resumable": ("1.0.0", "0.2.2", "1.0", "", "1.0.0, 0.2.2", "9" * 500),
    "Upload-Metadata": (
        *("filename YS5i", "filename", "a YQ==,b Yg==", "", " ", ",", "a,a", "a YQ", "a YQ= ="),
        *("k\u00e9", "a YQ==,", "filename DQpYLUluamVjdGVkOiB5ZXM=", "filename Li4vLi4vZXRj"),
        *("k " + "QUFB" * 3000, "a\tYQ==", "filename /w==", "\x7f", "a  YQ=="),
    ),
    "Upload-Concat": (
        *(
            "partial",
            "final;",
            "final",
            "Partial",
            "final;/files/x",
            "final;,",
            "",
            "partial;final",
        ),
        *(f"final;/files/{'0' * 32}", "final; http://[ /files/", "final;" + "/files/a " * 1500),
    ),
    "Upload-Checksum": (
        *(_SHA1, "sha1", "sha1 ", "SHA1 AAAA", "md5 AAAA", "crc32 AAAAAA==", "crc32c AAAAAA=="),
        *("x y", "sha1 AAAA=AAAA", "sha256 " + "A" * 43 + "=", "", "sha1  " + _SHA1[5:]),
    ),
    "Content-Type": (
        *("application/offset+octet-stream", "application/offset+octet-stream; a=b", "text/plain"),
        *("Application/Offset+Octet-Stream", "", "multipart/form-data; boundary=x", "a" * 1000),
    ),
    "Content-Encoding": ("identity", "gzip", "br", "deflate", "zstd", "", "gzip, gzip"),
    "X-HTTP-Method-Override": (
        *("PATCH", "DELETE", "HEAD", "POST", "GET", "OPTIONS", "patch", "TRACE", "", "\u00e4"),
        "D" * 200,
    ),
    "Connection": ("close", "keep-alive", "Upgrade", "close, keep-alive", "TE", "", "Close"),
    "Upgrade": ("websocket", "h2c", "HTTP/2.0", "TLS/1.0", ""),
    "Expect": ("100-continue", "100-Continue", "200-ok", "", "100-continue, 100-continue"),
    "Trailer": ("Upload-Checksum", "upload-checksum, X", "Content-Length", "", ","),
    "Host": ("fuzz", "", "fuzz:80", "a b", "[::1]", "fuzz, fuzz", "\u00e4", "http://fuzz"),
    "Origin": ("https://example.org", "null", "", "https://example.org\u00e4"),
    "Access-Control-Request-Method": ("PATCH", "", "DELETE"),
    "X-Request-ID": ("a.b_c-9", "", "a" * 65, "a b", "\u00e4"),
    "Accept": ("text/plain", "*/*", "application/json, text/plain", ""),
    "Range": (
        *("bytes=0-4", "bytes=5-", "bytes=-3", "bytes=0-0", "bytes=9999-", "bytes=5-2", "bytes="),
        *("bytes=0-1,3-4", "bytes=-0", "bytes=0-99999999999999999999", "lines=0-1", "bytes=a-b"),
    ),
    "If-Range": ('"x"', "Thu, 01 Jan 1970 00:00:00 GMT", "", "x"),
    "If-None-Match": ("*", '"x"', 'W/"x"', "", '"'),
    "If-Match": ("*", '"x"', "", '"'),
    "If-Modified-Since": ("Fri, 01 Jan 2100 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "x"),
    "If-Unmodified-Since": ("Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT", ""),
    "Cookie": ("a=b", "=;=;\u00e4", "a=" + "b" * 4000),
    "Forwarded": ('for="[::1]";host=evil.example', ""),
    "X-Forwarded-Host": ("evil.example", "evil.example, other"),
}
#: The fields that proper requests have.
OWN: Final = (
    *("Host", "X-Request-ID", "Tus-Resumable", "Upload-Offset", "Upload-Length", "Content-Type"),
    *("Content-Length", "Transfer-Encoding", "Upload-Concat", "Upload-Checksum"),
)
#: Fields that leave a request what it is, whatever they say.
HARMLESS: Final = (
    *("Connection", "Origin", "Access-Control-Request-Method", "X-Request-ID", "Accept", "Cookie"),
    *("Forwarded", "X-Forwarded-Host", "Range", "If-None-Match", "If-Modified-Since", "Upgrade"),
)
CONDITIONS: Final = (
    *("Range", "Range", "Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since"),
    "If-Unmodified-Since",
)
METHODS: Final = (
    *("POST", "HEAD", "PATCH", "DELETE", "OPTIONS", "GET", "PUT", "TRACE", "CONNECT", "PROPFIND"),
    *("patch", "Head", "PRI", "FOO", "M-SEARCH", "A" * 300, "POST\t", "", "GE T", "P\0ST", "\xe4"),
)
VERSIONS: Final = (
    *(
        "HTTP/1.0",
        "HTTP/1.1",
        "HTTP/0.9",
        "HTTP/2.0",
        "HTTP/1.2",
        "HTTP/3",
        "http/1.1",
        "HTTP/1.1 ",
    ),
    *("HTTP/11", "HTTP/1.10", "", "ICY", "HTTP/1.1\t", "RTSP/1.0"),
)
#: Lines among the header fields.
LINES: Final = (
    *("no colon", ": no name", "\u00dcnicode: x", "X y: z", "", " ", "X: y\nZ: z", "X: \0", "\t"),
    *("X-Injected: yes", "GET / HTTP/1.1", "X: " + "y" * 16_400, "Y" * 16_400 + ": y", "X:y"),
)
#: Lines after a chunked body, which belong to nothing but that, and what may be none.
TRAILERS: Final = (
    *("X: y", "X-Request-ID: stolen", "X-HTTP-Method-Override: DELETE", "Authorization: evil"),
    *("Content-Length: 5", "Transfer-Encoding: chunked", "Host: fuzz", "Connection: close"),
    *("Upload-Offset: 0", "Tus-Resumable: 0.2.2", "X:\u00e4", "X: " + "y" * 3000),
)
ODD_TRAILERS: Final = (
    *(f"Upload-Checksum: {_SHA1}", "Upload-Checksum: sha1 x", "no colon", "X: y\r\n folded"),
    *("A : b", "X: \0", ": y", "X: y\nX: z", "X: " + "y" * 9000),
)
CHUNK_SIZES: Final = (
    *("{:x}", "{:X}", "{:06x}", "{:x};name=value", '{:x};a;b="c d"', "{:x} ; x", "{:x} "),
    *('{:x};"', "{:x};\t=", "{:018x}", "{:x};" + "x" * 900, "{:x};" + "y" * 1100),
)
FLAWS: Final = (
    *("too long", "too short", "bare line feed", "no line end", "carriage return", "negative"),
    *("prefixed", "blank", "huge", "no size", "no end"),
)
#: What gets between other bytes.
INSERTED: Final = (
    *(b"", b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"\r\n\r\n", b"\n\n", b"0\r\n\r\n"),
    *(b"\xff", b";", b"5\r\nhello\r\n", b"GET / HTTP/1.1\r\nHost: fuzz\r\n\r\n", b"HTTP/1.1"),
    b"\x16\x03\x01\x02",
)
