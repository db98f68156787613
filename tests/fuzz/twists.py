"""What can be wrong with a request's head, one small thing at a time."""

from collections.abc import Callable
from typing import Final

from tests.fuzz.drafts import Message, Twist

_Respell = Callable[[bytes, bytes], bytes]

#: How a header line can be written, given its name and its value.
SPELLINGS: Final[dict[str, _Respell]] = {
    "no blank": lambda name, value: name + b":" + value,
    "tabs": lambda name, value: name + b":\t" + value + b"\t \t",
    "blank before the colon": lambda name, value: name + b" : " + value,
    "tab before the colon": lambda name, value: name + b"\t: " + value,
    "blank before the name": lambda name, value: b" " + name + b": " + value,
    "folded": lambda name, value: name + b":\r\n " + value,
    "folded after": lambda name, value: name + b": " + value + b"\r\n\tmore",
    "bare line feed": lambda name, value: name + b": " + value + b"\nX-Injected: yes",
    "carriage return": lambda name, value: name + b": " + value + b"\rX-Injected: yes",
    "null": lambda name, value: name + b": " + value + b"\0",
    "control": lambda name, value: name + b": \x0b" + value + b"\x1f",
    "upper case": lambda name, value: name.upper() + b": " + value,
    "lower case": lambda name, value: name.lower() + b": " + value,
    "no colon": lambda name, value: name + b" " + value,
    "no name": lambda _, value: b": " + value,
    "underscores": lambda name, value: name.replace(b"-", b"_") + b": " + value,
    "quoted": lambda name, value: name + b': "' + value + b'"',
    "twice in one": lambda name, value: name + b": " + value + b", " + value,
    "long": lambda name, value: name + b": " + value + b"x" * 20_000,
    "long name": lambda name, value: name + b"x" * 20_000 + b": " + value,
    "bytes": lambda name, value: name + b": " + value + b"\xff\xc3\x28",
}

#: How a target can be written, given the proper one.
TARGETS: Final[dict[str, Callable[[str], str]]] = {
    "absolute": lambda target: f"http://fuzz{target}",
    "absolute elsewhere": lambda target: f"https://user:pw@evil.example:99{target}",
    "absolute with a bracket": lambda target: f"http://[{target}",
    "absolute with a port that is none": lambda target: f"http://fuzz:99999999{target}",
    "no scheme": lambda target: f"/{target}",
    "authority": lambda _: "fuzz:80",
    "asterisk": lambda _: "*",
    "query": lambda target: f"{target}?a=b&c",
    "fragment": lambda target: f"{target}#top",
    "slash": lambda target: f"{target}/",
    "no slash": lambda target: target.rstrip("/"),
    "upper case": lambda target: target.upper(),
    "encoded": lambda target: f"{target[:-1]}%{target[-1:].encode('latin-1').hex()}",
    "encoded slash": lambda target: target.replace("/", "%2f"),
    "encoded line": lambda target: target + "%0d%0aX-Injected:%20yes",
    "encoded null": lambda target: target + "%00",
    "bad percent": lambda target: target + "%zz%",
    "overlong": lambda target: target + "%c0%ae",
    "traversal": lambda target: f"/files/../files/../..{target}",
    "outside": lambda _: "/files/../../../../etc/passwd",
    "encoded outside": lambda _: "/files/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "dot": lambda target: target.replace("/files/", "/files/./"),
    "backslash": lambda target: target.replace("/", "\\"),
    "semicolon": lambda target: f"{target};v=1",
    "state file": lambda _: "/files/state.sqlite3",
    "health": lambda _: "/healthz",
    "metrics": lambda _: "/metrics",
    "elsewhere": lambda _: "/elsewhere",
    "empty": lambda _: "",
    "relative": lambda target: target[1:],
    "blank": lambda target: f"{target} x",
    "null": lambda target: f"{target}\0",
    "control": lambda target: f"{target}\x01",
    "bytes": lambda target: f"{target}\xff\xe4",
    "long": lambda target: target + "a" * 9000,
    "short id": lambda target: target[:-1],
    "long id": lambda target: target + "0",
    "unicode digits": lambda target: target[:-1] + "%d9%a5",
    "scheme": lambda _: "javascript:alert(1)",
}


def apply(twist: Twist, message: Message) -> None:
    """Change *message* as *twist* says; where that makes no sense, leave it."""
    _CHANGES[twist.kind](message, twist)


def _set_method(message: Message, twist: Twist) -> None:
    message.method = twist.what


def _set_target(message: Message, twist: Twist) -> None:
    message.target = TARGETS[twist.what](message.target)


def _set_version(message: Message, twist: Twist) -> None:
    message.version = twist.what


def _set(message: Message, twist: Twist) -> None:
    for index, each in enumerate(message.lines):
        if _is(each, twist.what):
            message.lines[index] = _line(twist)
            return
    message.lines.append(_line(twist))


def _add(message: Message, twist: Twist) -> None:
    message.lines.append(_line(twist))


def _add_first(message: Message, twist: Twist) -> None:
    message.lines.insert(0, _line(twist))


def _repeat(message: Message, twist: Twist) -> None:
    message.lines += [each for each in message.lines if _is(each, twist.what)]


def _leave_out(message: Message, twist: Twist) -> None:
    message.lines = [each for each in message.lines if not _is(each, twist.what)]


def _respell(message: Message, twist: Twist) -> None:
    for index, each in enumerate(message.lines):
        if _is(each, twist.what):
            name, _, value = each.partition(b":")
            message.lines[index] = SPELLINGS[twist.value](name, value.strip())
            return


def _add_many(message: Message, twist: Twist) -> None:
    message.lines += [b"X-%d: y" % number for number in range(int(twist.what))]


def _insert_line(message: Message, twist: Twist) -> None:
    message.lines.insert(len(message.lines) // 2, twist.what.encode("latin-1"))


def _precede(message: Message, twist: Twist) -> None:
    message.method = "\r\n" * int(twist.what) + message.method


def _resize(message: Message, twist: Twist) -> None:
    count = int(twist.what)
    message.body = message.body[:count] if count < 0 else message.body + b"x" * count


_CHANGES: Final[dict[str, Callable[[Message, Twist], None]]] = {
    "method": _set_method,
    "target": _set_target,
    "version": _set_version,
    "set": _set,
    "again": _add,
    "first": _add_first,
    "twin": _repeat,
    "without": _leave_out,
    "spelled": _respell,
    "many": _add_many,
    "line": _insert_line,
    "blank lines": _precede,
    "body": _resize,
}


def _line(twist: Twist) -> bytes:
    return f"{twist.what}: {twist.value}".encode("latin-1")


def _is(line: bytes, name: str) -> bool:
    return line.lower().startswith(name.lower().encode() + b":")
