"""What hooks are told has tusd's names."""

import json
from pathlib import Path
from typing import Any

from tests.contracts.examples import THEN, a_final, a_part, an_upload, upload_id
from tusd_py.hooks.hook import Caller, Point
from tusd_py.hooks.payload import Composer
from tusd_py.protocol.upload import Upload

CALLER = Caller("PATCH", "/files/1?x=%20", "[::1]:5000", {"X-Me": ("ann", "bob")})


def composed(point: Point, upload: Upload, caller: Caller = CALLER) -> dict[str, Any]:
    compose = Composer(
        path_of=lambda each: Path("/data") / each.id, new_id=lambda: "e1", clock=lambda: THEN
    )
    message = compose(point, upload, caller)
    assert (message.event_id, message.upload_id, message.point) == ("e1", upload.id, point)
    document: dict[str, Any] = json.loads(message.payload)
    return document


def test_ordinary_upload() -> None:
    upload = an_upload(1, owner="ann", offset=10, metadata="filename YS50eHQ=,empty,x /w==")
    assert composed(Point.POST_FINISH, upload) == {
        "Type": "post-finish",
        "Event": {
            "Upload": {
                "ID": upload_id(1),
                "Size": 100,
                "SizeIsDeferred": False,
                "Offset": 10,
                "MetaData": {"filename": "a.txt", "empty": "", "x": "\N{REPLACEMENT CHARACTER}"},
                "IsPartial": False,
                "IsFinal": False,
                "PartialUploads": None,
                "Storage": {"Type": "filestore", "Path": f"/data/{upload_id(1)}"},
            },
            "HTTPRequest": {
                "Method": "PATCH",
                "URI": "/files/1?x=%20",
                "RemoteAddr": "[::1]:5000",
                "Header": {"X-Me": ["ann", "bob"]},
            },
        },
        "EventID": "e1",
        "Time": "2023-11-14T22:13:20.000Z",
        "Owner": "ann",
    }


def test_deferred_length_is_zero_as_with_tusd() -> None:
    described = composed(Point.POST_CREATE, an_upload(1, length=None))["Event"]["Upload"]
    assert (described["Size"], described["SizeIsDeferred"]) == (0, True)
    assert described["MetaData"] == {}


def test_parts_and_finals_say_so() -> None:
    part = composed(Point.POST_FINISH, a_part(1))["Event"]["Upload"]
    assert (part["IsPartial"], part["IsFinal"]) == (True, False)
    final = composed(Point.POST_CREATE, a_final(3, 1, 2))["Event"]["Upload"]
    assert (final["IsPartial"], final["IsFinal"]) == (False, True)
    assert final["PartialUploads"] == [upload_id(1), upload_id(2)]


def test_where_there_is_no_request_its_fields_are_empty() -> None:
    assert composed(Point.EXPIRED, an_upload(1), Caller())["Event"]["HTTPRequest"] == {
        "Method": "",
        "URI": "",
        "RemoteAddr": "",
        "Header": {},
    }
