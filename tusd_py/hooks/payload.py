"""
Writes what hooks are told: the JSON of tusd's version 2, so that its receivers work here.

https://tus.github.io/tusd/advanced-topics/hooks/ describes it. Beside `Type` and `Event` stand
three fields of our own: `EventID`, `Time` and `Owner`.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tusd_py.hooks.hook import Caller, Message, Point
from tusd_py.protocol.metadata import parse_metadata_leniently
from tusd_py.protocol.upload import Upload


class Composer:
    """
    Writes messages.

    Args:
        path_of: Where an upload's bytes are for others.
        new_id: Makes an event's id.
        clock: Returns seconds since the epoch.
    """

    def __init__(
        self,
        *,
        path_of: Callable[[Upload], Path],
        new_id: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._path_of = path_of
        self._new_id = new_id
        self._clock = clock

    def __call__(self, point: Point, upload: Upload, caller: Caller) -> Message:
        """Return a new message: *point* was reached, *upload* is now like this."""
        event_id = self._new_id()
        document = {
            "Type": point.value,
            "Event": {
                "Upload": self._upload(point, upload),
                "HTTPRequest": {
                    "Method": caller.method,
                    "URI": caller.uri,
                    "RemoteAddr": caller.address,
                    "Header": {name: list(values) for name, values in caller.headers.items()},
                },
            },
            "EventID": event_id,
            "Time": _written(self._clock()),
            "Owner": upload.owner,
        }
        return Message(event_id, upload.id, point, json.dumps(document, ensure_ascii=False))

    def _upload(self, point: Point, upload: Upload) -> dict[str, Any]:
        # A hook may give it another name, so it has none before that, as with tusd.
        if point is Point.PRE_CREATE:
            return {**_described(upload), "ID": "", "Storage": None}
        place = {"Type": "filestore", "Path": str(self._path_of(upload))}
        return {**_described(upload), "Storage": place}


def describe(upload: Upload) -> str:
    """Return what stands beside a published upload, as in tusd's files that end in `.info`."""
    document = {**_described(upload), "Owner": upload.owner, "Created": _written(upload.created_at)}
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _described(upload: Upload) -> dict[str, Any]:
    return {
        "ID": upload.id,
        "Size": upload.length or 0,
        "SizeIsDeferred": upload.length is None,
        "Offset": upload.offset,
        "MetaData": readable_metadata(upload.metadata),
        "IsPartial": upload.is_partial,
        "IsFinal": upload.is_final,
        "PartialUploads": list(upload.parts) or None,
    }


def readable_metadata(header: str | None) -> dict[str, str]:
    """Return metadata as text; what is no UTF-8 has U+FFFD in its place, as with tusd."""
    pairs = parse_metadata_leniently(header or "")
    return {key: value.decode(errors="replace") for key, value in pairs.items()}


def _written(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
