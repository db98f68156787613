"""Of complete uploads without a row nobody knows whether they were checked: so they are again."""

from typing import Any

import pytest

from tests.unit.repair.damage import contents, fill, remove_state, server, settings_of
from tusd_py.protocol.upload import UploadState
from tusd_py.repair import verify
from tusd_py.storage.layout import Layout


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        ({}, UploadState.FINISHED),
        ({"clamd": "unix:/nowhere/clamd.sock"}, UploadState.CHECKING),
    ],
    ids=["no-checks", "clamd"],
)
async def test_rebuilt_uploads_are_checked_where_checks_are_made(
    layout: Layout, settings: dict[str, Any], state: UploadState
) -> None:
    uploads = await fill(layout, 6)
    before = contents(layout)
    remove_state(layout)
    chosen = settings_of(layout, **settings)
    report = await verify(chosen, repairs=True, on_progress=lambda _: None)
    assert report.is_clean
    async with server(layout, **settings) as service:
        rebuilt = {upload.id: upload for upload in await service.list_uploads()}
        states = {rebuilt[each.id].state for each in uploads.values() if each.is_finished}
        assert states == {state}
    assert contents(layout) == before
