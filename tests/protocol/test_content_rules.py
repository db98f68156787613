"""Rules for names, types and sizes: refused at the creation, or as soon as the bytes show it."""

import base64
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import OCTETS, TusServer, patch_head, run_server
from tests.protocol.test_content_checks import detail, eventually, problem
from tests.unit.content.conftest import load_sniffer
from tests.unit.content.samples import GIF, HTML, JPEG, NOISE, SVG, TEXT, png

MIB = 2**20
RULES = """
rules:
  - name: pictures
    filenames: ["*.png", "*.jpg"]
    types: [image/png, image/jpeg]
    max_size: 1MiB
  - name: texts
    filenames: ["*.txt"]
    types: ["text/*"]
"""


@pytest.fixture
async def server(data_dir: Path, tmp_path: Path) -> AsyncIterator[TusServer]:
    load_sniffer()
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    async with run_server(data_dir, content_rules=rules) as running:
        yield running


def named(name: str, media_type: str = "") -> dict[str, str]:
    pairs = {"filename": name, "filetype": media_type}
    encoded = (f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
    return {"Upload-Metadata": ",".join(encoded)}


async def creation(server: TusServer, length: int | None, headers: dict[str, str]) -> str:
    size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    answer = await server.request("POST", server.prefix, {**size, **headers})
    return problem(answer) if answer.status >= 400 else str(answer.status)


# --- At the creation ---


@pytest.mark.parametrize(
    ("name", "media_type", "length", "status"),
    [
        ("a.png", "image/png", 1000, "201"),
        ("A.PNG", "", MIB, "201"),
        ("a.jpg", "image/jpg", None, "201"),
        ("a.png", "image/png", MIB + 1, "413 content_refused"),
        ("a.exe", "image/png", 1000, "415 content_refused"),
        ("a.png", "text/html", 1000, "415 content_refused"),
        ("a.png.exe", "", 1000, "415 content_refused"),
        ("", "image/png", 1000, "415 content_refused"),
        ("a.txt", "text/csv", 10 * MIB, "201"),
        ("a.txt", "text/html", 10, "415 content_refused"),
    ],
)
async def test_creations(
    server: TusServer, name: str, media_type: str, length: int | None, status: str
) -> None:
    assert await creation(server, length, named(name, media_type)) == status
    assert len(server.stored()) == (status == "201")


async def test_refusal_says_what_is_taken(server: TusServer) -> None:
    answer = await server.request("POST", server.prefix, {"Upload-Length": "1", **named("a.exe")})
    assert detail(answer).endswith("these are: pictures, texts.")


async def test_parts_are_taken_and_their_final_is_judged(server: TusServer) -> None:
    image = png()
    parts = [
        await server.finished(piece, {"Upload-Concat": "partial"})
        for piece in (image[:20], image[20:])
    ]
    final = {"Upload-Concat": f"final;{' '.join(parts)}"}
    for headers, status in ((named("a.exe"), 415), (named("a.txt"), 415), ({}, 415)):
        answer = await server.request("POST", server.prefix, {**final, **headers})
        if answer.status == 201:
            await eventually(server, answer.headers["Location"], 410)
        else:
            assert answer.status == status
    answer = await server.request("POST", server.prefix, {**final, **named("a.png")})
    assert answer.status == 201
    assert (await eventually(server, answer.headers["Location"], 200)).body == image


# --- The bytes ---


@pytest.mark.parametrize("content", [GIF, HTML, SVG, TEXT, NOISE, b"", b"\x89PN"])
async def test_what_is_no_picture_is_rejected(server: TusServer, content: bytes) -> None:
    headers = named("a.png", "image/png")
    if not content:
        assert await creation(server, 0, headers) == "415 content_refused"
        return
    path = await server.create(len(content), headers)
    assert problem(await server.patch(path, 0, content)) == "415 content_refused"
    assert problem(await server.get(path)) == "410 upload_rejected"
    assert server.stored() == {}


@pytest.mark.parametrize(
    ("name", "content"), [("a.png", png()), ("a.png", JPEG), ("a.jpg", JPEG), ("a.txt", TEXT)]
)
async def test_what_is_taken(server: TusServer, name: str, content: bytes) -> None:
    path = await server.finished(content, named(name))
    assert (await server.get(path)).body == content


async def test_first_bytes_are_enough(server: TusServer) -> None:
    """The client hears of it before it has sent the rest, and is heard no more."""
    path = await server.create(MIB, named("a.png", "image/png"))
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, length=MIB))
        await connection.send(HTML + bytes(100_000))
        answer = await connection.receive()
        assert problem(answer) == "415 content_refused"
        assert "text/html" in detail(answer) or "octet" in detail(answer)
    assert server.stored() == {}
    assert (await server.head(path)).status == 410
    await still_works(server)


async def test_of_a_creation_with_such_bytes_nothing_is_left(server: TusServer) -> None:
    for size in (5000, 500_000):
        sent = {"Upload-Length": str(MIB), **OCTETS, **named("a.png")}
        answer = await server.request("POST", server.prefix, sent, HTML.ljust(size))
        assert problem(answer) == "415 content_refused"
        assert server.stored() == {}
    await still_works(server)


async def test_small_chunks_are_judged_together(server: TusServer) -> None:
    path = await server.create(MIB, named("a.png"))
    content = HTML.ljust(5000)
    for at in range(0, 4000, 1000):
        assert (await server.patch(path, at, content[at : at + 1000])).status == 204
    assert (await server.patch(path, 4000, content[4000:])).status == 415


async def test_length_that_comes_late_counts(server: TusServer) -> None:
    path = await server.create(None, {"Upload-Defer-Length": "1", **named("a.png")})
    assert (await server.patch(path, 0, png())).status == 204
    offset = len(png())
    answer = await server.patch(path, offset, b"x", {"Upload-Length": str(MIB + 1)})
    assert problem(answer) == "413 content_refused"
    assert (
        await server.patch(path, offset, b"x", {"Upload-Length": str(offset + 1)})
    ).status == 204
    await eventually(server, path, 200)


async def test_size_that_was_never_declared_counts_at_the_end(server: TusServer) -> None:
    path = await server.create(None, {"Upload-Defer-Length": "1", **named("a.png")})
    content = png().ljust(MIB + 1)
    assert (await server.patch(path, 0, content)).status == 204
    answer = await server.patch(path, len(content), b"", {"Upload-Length": str(len(content))})
    assert problem(answer) == "413 content_refused"


async def test_archives_within_are_not_seen(server: TusServer) -> None:
    """A file of two kinds passes for the one that it begins as: docs/content.md says so."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("a", "b")
    path = await server.finished(png() + archive.getvalue(), named("a.png"))
    assert (await server.get(path)).status == 200


async def still_works(server: TusServer) -> None:
    path = await server.finished(TEXT, named("a.txt"))
    assert (await server.get(path)).status == 200
