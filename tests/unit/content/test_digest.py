"""What arrived is what the client wanted to send, to the byte."""

import base64
import hashlib

import pytest

from tests.unit.content.uploads import complete, reading
from tusd_py.content.digest import DeclaredDigest
from tusd_py.errors import ContentRefused, StorageError
from tusd_py.protocol.upload import Upload

CONTENT = bytes(range(256)) * 20_000
DIGEST = hashlib.sha256(CONTENT)
CHECK = DeclaredDigest(is_required=False)
REQUIRE = DeclaredDigest(is_required=True)


def declaring(text: str) -> Upload:
    return complete(CONTENT, {"filename": "a", "sha256": text})


@pytest.mark.parametrize(
    "text",
    [DIGEST.hexdigest(), DIGEST.hexdigest().upper(), base64.b64encode(DIGEST.digest()).decode()],
)
async def test_right_digest_passes(text: str) -> None:
    for check in (CHECK, REQUIRE):
        check.foresee(declaring(text))
        await check.examine(declaring(text), reading(CONTENT))


async def test_wrong_digest_is_refused() -> None:
    upload = declaring(hashlib.sha256(b"other").hexdigest())
    CHECK.foresee(upload)
    with pytest.raises(ContentRefused, match=DIGEST.hexdigest()) as refused:
        await CHECK.examine(upload, reading(CONTENT))
    assert refused.value.status == 422


@pytest.mark.parametrize(
    "text", ["abc", "g" * 64, DIGEST.hexdigest()[:-1], "é", "A" * 44, "=" * 44]
)
def test_what_is_no_digest_is_refused_at_once(text: str) -> None:
    with pytest.raises(ContentRefused, match="no SHA-256") as refused:
        CHECK.foresee(declaring(text))
    assert refused.value.status == 400


async def test_only_where_it_is_required_it_has_to_be_there() -> None:
    for upload in (complete(CONTENT), declaring("")):
        CHECK.foresee(upload)
        await CHECK.examine(upload, reading(CONTENT))
        with pytest.raises(ContentRefused, match="needs its SHA-256"):
            REQUIRE.foresee(upload)


async def test_lost_bytes_are_the_servers_fault() -> None:
    with pytest.raises(StorageError):
        await CHECK.examine(declaring(DIGEST.hexdigest()), reading(CONTENT[:-1]))
