"""Concatenation: partial uploads become a final one."""

import asyncio
import os
from collections.abc import Mapping

import pytest

from tests.harness import OCTETS, PATIENCE, Answer, TusServer

PARTIAL = {"Upload-Concat": "partial"}


async def part(server: TusServer, content: bytes) -> str:
    return await server.finished(content, PARTIAL)


async def final(server: TusServer, *urls: str, **headers: str) -> Answer:
    sent = {"Upload-Concat": "final;" + " ".join(urls), **headers}
    return await server.request("POST", server.prefix, sent)


async def joined(server: TusServer, *urls: str, **headers: str) -> str:
    """Create a final upload of finished parts, and return its path once it is there."""
    answer = await final(server, *urls, **headers)
    assert answer.status == 201
    await until_joined(server, answer.headers["Location"])
    return answer.headers["Location"]


async def until_joined(
    server: TusServer, path: str, headers: Mapping[str, str] | None = None
) -> Answer:
    async with asyncio.timeout(PATIENCE):
        while "Upload-Offset" not in (answer := await server.head(path, headers)).headers:
            await asyncio.sleep(0.01)
    return answer


class TestPartial:
    async def test_head_tells_its_offset_and_returns_the_header(self, server: TusServer) -> None:
        path = await server.create(10, PARTIAL)
        await server.patch(path, 0, b"hello")
        head = await server.head(path)
        assert (head.offset, head.headers["Upload-Length"]) == (5, "10")
        assert head.headers["Upload-Concat"] == "partial"

    async def test_header_means_nothing_on_its_other_requests(self, server: TusServer) -> None:
        # tus-js-client and aiotus send it with each of them.
        path = await server.create(5, PARTIAL)
        assert (await server.head(path, PARTIAL)).status == 200
        assert (await server.patch(path, 0, b"hello", PARTIAL)).status == 204
        assert (await server.request("DELETE", path, PARTIAL)).status == 204

    async def test_is_not_handed_out_as_a_file_of_its_own(self, server: TusServer) -> None:
        assert (await server.get(await part(server, b"hello"))).status == 404


class TestFinal:
    async def test_is_the_parts_in_the_order_of_the_list(self, server: TusServer) -> None:
        hello, world = await part(server, b"hello"), await part(server, b" world")
        for urls, content in (
            ((hello, world), b"hello world"),
            ((world, hello), b" worldhello"),
        ):
            path = await joined(server, *urls)
            head = await server.head(path)
            assert (head.offset, head.headers["Upload-Length"]) == (11, "11")
            assert head.headers["Upload-Concat"] == "final;" + " ".join(urls)
            assert (await server.get(path)).body == content

    async def test_of_many_large_parts_is_their_sum(self, server: TusServer) -> None:
        contents = [os.urandom(300_000 + number) for number in range(10)]
        urls = [await part(server, content) for content in contents]
        path = await joined(server, *urls)
        assert (await server.head(path)).offset == sum(map(len, contents))
        assert (await server.get(path)).body == b"".join(contents)

    async def test_of_empty_parts_is_empty(self, server: TusServer) -> None:
        path = await joined(server, await part(server, b""))
        assert (await server.head(path)).offset == 0
        assert (await server.get(path)).body == b""

    async def test_takes_urls_in_every_form_that_clients_see(self, server: TusServer) -> None:
        parts = [await part(server, letter.encode()) for letter in "abcde"]
        urls = (
            parts[0],
            server.url.removesuffix(server.prefix) + parts[1],
            "https://proxy.example/some/prefix" + parts[2],
            parts[3].rpartition("/")[2],
            parts[4] + "?signature=abc",
        )
        path = await joined(server, *urls)
        assert (await server.get(path)).body == b"abcde"
        assert (await server.head(path)).headers["Upload-Concat"] == "final;" + " ".join(urls)

    async def test_has_the_metadata_of_its_own_creation_alone(self, server: TusServer) -> None:
        url = await server.finished(b"hello", {**PARTIAL, "Upload-Metadata": "filename cGFydA=="})
        plain = (await final(server, url)).headers["Location"]
        assert "Upload-Metadata" not in (await server.head(plain)).headers
        named = (await final(server, url, **{"Upload-Metadata": "filename d2hvbGU="})).headers
        head = await server.head(named["Location"])
        assert head.headers["Upload-Metadata"] == "filename d2hvbGU="

    async def test_parts_stay_and_may_be_used_again(self, server: TusServer) -> None:
        hello, world = await part(server, b"hello"), await part(server, b" world")
        first, second = await joined(server, hello), await joined(server, hello, world)
        assert (await server.get(first)).body == b"hello"
        assert (await server.get(second)).body == b"hello world"
        assert (await server.head(hello)).offset == 5

    async def test_asking_again_gets_the_same_upload(self, server: TusServer) -> None:
        # A client whose connection broke does not know whether its request arrived.
        hello, world = await part(server, b"hello"), await part(server, b" world")
        path = await joined(server, hello, world)
        assert await joined(server, hello, world) == path
        await server.delete(path)
        again = await joined(server, hello, world)
        assert again != path
        assert (await server.get(again)).body == b"hello world"

    async def test_asking_in_other_words_makes_another_upload(self, server: TusServer) -> None:
        url = await part(server, b"hello")
        named = {"Upload-Metadata": "filename d2hvbGU="}
        paths = [
            await joined(server, url),
            await joined(server, url, **named),
            await joined(server, "https://proxy.example" + url),
        ]
        assert len(set(paths)) == 3
        concats = [(await server.head(path)).headers["Upload-Concat"] for path in paths]
        assert concats == [f"final;{url}"] * 2 + [f"final;https://proxy.example{url}"]

    @pytest.mark.parametrize("offset", [0, 5, 99])
    async def test_refuses_patches_with_403_and_is_not_changed(
        self, server: TusServer, offset: int
    ) -> None:
        url = await part(server, b"hello")
        path = await joined(server, url)
        assert (await server.patch(path, offset, b"!")).status == 403
        assert (await server.patch(path, offset, b"")).status == 403
        assert (await server.get(path)).body == b"hello"
        assert (await server.head(url)).offset == 5

    @pytest.mark.parametrize("name", ["Upload-Length", "Upload-Defer-Length"])
    async def test_with_a_length_of_its_own_is_400(self, server: TusServer, name: str) -> None:
        url = await part(server, b"hello")
        value = "5" if name == "Upload-Length" else "1"
        assert (await final(server, url, **{name: value})).status == 400

    async def test_with_data_of_its_own_is_400(self, server: TusServer) -> None:
        url = await part(server, b"hello")
        headers = {"Upload-Concat": f"final;{url}", **OCTETS}
        before = server.stored()
        assert (await server.request("POST", server.prefix, headers, b"more")).status == 400
        assert server.stored() == before


class TestWrong:
    @pytest.mark.parametrize(
        "value",
        [
            *("", "Partial", "partial;", "final", "final;", "final; ", "final /files/a", "finally"),
            *("final;/files/", "final;/files/abc", "final;" + "f" * 32, "final;/files/" + "0" * 32),
            *("final;http://[", "final;../../etc/passwd", "final;" + "F" * 32),
            *("final;/files/%30" + "0" * 31, "final;,", "partial,final;x", "final;" + "0" * 33),
        ],
    )
    async def test_headers_are_400_and_leave_nothing(self, server: TusServer, value: str) -> None:
        headers = {"Upload-Concat": value}
        if not value.startswith("final"):
            headers["Upload-Length"] = "5"
        assert (await server.request("POST", server.prefix, headers)).status == 400
        assert server.stored() == {}

    async def test_parts_that_are_not_partial_are_400(self, server: TusServer) -> None:
        plain, url = await server.finished(b"hello"), await part(server, b"hello")
        whole = await joined(server, url)
        before = server.stored()
        for wrong in (plain, whole):
            answer = await final(server, url, wrong)
            assert answer.status == 400
            assert "part 2" in answer.text
        assert server.stored() == before

    async def test_a_part_named_twice_is_400(self, server: TusServer) -> None:
        url = await part(server, b"hello")
        assert (await final(server, url, url)).status == 400

    @pytest.mark.settings(repeated_parts=True)
    async def test_but_may_be_named_twice_where_the_setting_says_so(
        self, server: TusServer
    ) -> None:
        hello, world = await part(server, b"hello"), await part(server, b"world")
        path = await joined(server, hello, world, hello)
        assert (await server.get(path)).body == b"helloworldhello"

    @pytest.mark.settings(max_size=8)
    async def test_more_than_the_maximum_together_is_413(self, server: TusServer) -> None:
        hello, world = await part(server, b"hello"), await part(server, b"world")
        before = server.stored()
        assert (await final(server, hello, world)).status == 413
        assert server.stored() == before


class TestUnfinished:
    async def test_is_announced(self, server: TusServer) -> None:
        announced = (await server.options()).headers["Tus-Extension"].split(",")
        assert {"concatenation", "concatenation-unfinished"} <= set(announced)

    async def test_final_shows_no_offset_before_its_parts_are_there(
        self, server: TusServer
    ) -> None:
        first, second = await server.create(5, PARTIAL), await server.create(6, PARTIAL)
        answer = await final(server, first, second)
        assert answer.status == 201
        path = answer.headers["Location"]
        for url, content in ((second, b" world"), (first, b"hello")):
            head = await server.head(path)
            assert head.status == 200
            assert "Upload-Offset" not in head.headers
            assert head.headers["Upload-Length"] == "11"
            assert head.headers["Upload-Concat"] == f"final;{first} {second}"
            assert (await server.get(path)).status == 404
            assert (await server.patch(path, 0, b"hello")).status == 403
            await server.patch(url, 0, content)
        head = await until_joined(server, path)
        assert (head.offset, head.headers["Upload-Length"]) == (11, "11")
        assert (await server.get(path)).body == b"hello world"

    async def test_length_is_told_as_soon_as_it_can_be_calculated(self, server: TusServer) -> None:
        known = await server.create(5, PARTIAL)
        deferred = await server.create(None, {**PARTIAL, "Upload-Defer-Length": "1"})
        path = (await final(server, known, deferred)).headers["Location"]
        head = await server.head(path)
        assert "Upload-Length" not in head.headers
        assert "Upload-Offset" not in head.headers
        await server.patch(deferred, 0, b" wo", {"Upload-Length": "6"})
        assert (await server.head(path)).headers["Upload-Length"] == "11"
        await server.patch(deferred, 3, b"rld")
        await server.patch(known, 0, b"hello")
        assert (await until_joined(server, path)).offset == 11
        assert (await server.get(path)).body == b"hello world"

    async def test_final_is_answered_while_a_part_is_receiving(self, server: TusServer) -> None:
        url = await server.create(10, PARTIAL)
        await server.patch(url, 0, b"hello")
        path = (await final(server, url)).headers["Location"]
        assert "Upload-Offset" not in (await server.head(path)).headers
        assert (await server.patch(url, 5, b"world")).status == 204
        await until_joined(server, path)
        assert (await server.get(path)).body == b"helloworld"

    async def test_can_be_terminated_before_its_parts_are_there(self, server: TusServer) -> None:
        url = await server.create(5, PARTIAL)
        path = (await final(server, url)).headers["Location"]
        assert (await server.delete(path)).status == 204
        assert (await server.patch(url, 0, b"hello")).status == 204
        assert (await server.head(path)).status == 404
        assert len(server.stored()) == 1

    @pytest.mark.settings(disabled_extensions=("concatenation-unfinished",))
    async def test_is_409_and_not_announced_where_it_is_disabled(self, server: TusServer) -> None:
        announced = (await server.options()).headers["Tus-Extension"].split(",")
        assert "concatenation" in announced
        assert "concatenation-unfinished" not in announced
        url = await server.create(5, PARTIAL)
        assert (await final(server, url)).status == 409
        await server.patch(url, 0, b"hello")
        assert (await final(server, url)).status == 201


@pytest.mark.settings(disabled_extensions=("concatenation",))
async def test_is_400_and_not_announced_where_it_is_disabled(server: TusServer) -> None:
    announced = set((await server.options()).headers["Tus-Extension"].split(","))
    assert not announced & {"concatenation", "concatenation-unfinished"}
    headers = {"Upload-Length": "5", **PARTIAL}
    assert (await server.request("POST", server.prefix, headers)).status == 400
    assert server.stored() == {}
