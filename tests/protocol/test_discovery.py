"""OPTIONS: a server announces exactly what its configuration can do."""

import pytest

from tests.harness import TusServer

ALL = (
    "creation,creation-with-upload,creation-defer-length,expiration,"
    "checksum,checksum-trailer,termination,concatenation,concatenation-unfinished"
)


async def test_tells_versions_extensions_and_algorithms(server: TusServer) -> None:
    answer = await server.options()
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == ALL
    assert answer.headers["Tus-Checksum-Algorithm"] == "crc32,crc32c,md5,sha1,sha256,sha512"
    assert "Tus-Max-Size" not in answer.headers


@pytest.mark.parametrize("version", ["1.0.0", "0.2.2", "nonsense", ""])
async def test_ignores_the_version_of_the_client(server: TusServer, version: str) -> None:
    answer = await server.options({"Tus-Resumable": version})
    assert answer.status == 204
    assert answer.headers["Tus-Version"] == "1.0.0"


async def test_is_answered_at_every_url_of_ours(server: TusServer) -> None:
    for path in ("/files", "/files/", await server.create(5), "/files/" + "0" * 32):
        answer = await server.request("OPTIONS", path, tus=False)
        assert (path, answer.status) == (path, 204)
        assert answer.headers["Tus-Extension"] == ALL


class TestDisabled:
    @pytest.mark.settings(disabled_extensions=("creation",))
    async def test_creation_takes_all_with_it_that_creates(self, server: TusServer) -> None:
        announced = (await server.options()).headers["Tus-Extension"]
        assert announced == "expiration,checksum,checksum-trailer,termination"

    @pytest.mark.settings(
        disabled_extensions=(
            *("creation-with-upload", "creation-defer-length", "expiration"),
            *("checksum-trailer", "concatenation-unfinished"),
        )
    )
    async def test_others_leave_what_they_rest_on(self, server: TusServer) -> None:
        announced = (await server.options()).headers["Tus-Extension"]
        assert announced == "creation,checksum,termination,concatenation"

    @pytest.mark.settings(disabled_extensions=tuple(ALL.split(",")))
    async def test_all_of_them_leave_no_header(self, server: TusServer) -> None:
        answer = await server.options()
        assert answer.status == 204
        assert answer.headers["Tus-Version"] == "1.0.0"
        assert "Tus-Extension" not in answer.headers
        assert "Tus-Checksum-Algorithm" not in answer.headers
