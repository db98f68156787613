"""Reads what hooks answer: the JSON of tusd's version 2; all of it may be left out."""

import json
import re
from typing import Any, Final

from tusd_py.errors import HookUnavailable
from tusd_py.hooks.hook import Answer, Reply

#: RFC 9110, sections 5.5 and 5.6.2.
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r"[\x21-\x7e]?|[\x21-\x7e][\t\x20-\x7e]*[\x21-\x7e]")


def read_reply(text: str) -> Reply:
    """
    Return what a hook says.

    Raises:
        HookUnavailable: It is no such JSON, so nobody knows what was meant.
    """
    if not text.strip():
        return Reply()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HookUnavailable("answered what is no JSON") from error
    fields = _Fields(document, "the answer")
    response, change = fields.inner("HTTPResponse"), fields.inner("ChangeFileInfo")
    metadata = change.inner("MetaData").texts() if change.has("MetaData") else None
    return Reply(
        answer=Answer(
            status=response.number("StatusCode"),
            body=response.text("Body"),
            headers=_headers(response.inner("Header").texts()),
        ),
        rejects_upload=fields.flag("RejectUpload"),
        rejects_termination=fields.flag("RejectTermination"),
        stops=fields.flag("StopUpload"),
        upload_id=change.text("ID") or None,
        metadata=metadata,
        storage=change.inner("Storage").texts(),
    )


def heard(text: str) -> Reply:
    """Return what a hook says that was told something, where it says something at all."""
    try:
        return read_reply(text)
    except HookUnavailable:
        return Reply()


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise HookUnavailable(f"answered a header that is none: {name!r}")
    return headers


class _Fields:
    """An object of the answer; what is missing or null has no value."""

    def __init__(self, value: object, name: str) -> None:
        if not isinstance(value, dict):
            raise HookUnavailable(f"answered with no object for {name}")
        self._fields: dict[str, Any] = value

    def has(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def inner(self, name: str) -> "_Fields":
        return _Fields(self._fields[name] if self.has(name) else {}, name)

    def flag(self, name: str) -> bool:
        return bool(self._typed(name, bool, False))

    def number(self, name: str) -> int:
        return int(self._typed(name, int, 0))

    def text(self, name: str) -> str:
        # JSON can spell half a character (\ud800), which no header, row or file can hold.
        return str(self._typed(name, str, "")).encode("utf-8", "replace").decode()

    def texts(self) -> dict[str, str]:
        return {name: self.text(name) for name in self._fields}

    def _typed(self, name: str, kind: type, default: object) -> Any:
        value = self._fields[name] if self.has(name) else default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise HookUnavailable(f"answered something else than is meant for {name}")
        return value
