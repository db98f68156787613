"""The new state file is whole and durable before the old one, which is kept, gives way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.repair.damage import fill, garble, mend
from tusd_py import repair as repairing
from tusd_py.storage import syscalls
from tusd_py.storage.layout import Layout


async def test_new_file_is_durable_before_it_takes_the_place(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(layout, 6)
    garble(layout)
    steps: list[str] = []
    flush, flush_directory = repairing._flush, syscalls.flush_directory
    replace_file, unlink = Path.replace, Path.unlink

    def note(step: str, path: Path) -> None:
        name = path.name.split("damaged")[0]
        steps.append(f"{step} {name}")

    def noting(step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(path: Path, *rest: Any, **more: Any) -> Any:
            note(step, path)
            return call(path, *rest, **more)

        return noted

    monkeypatch.setattr(repairing, "_flush", noting("flush", flush))
    monkeypatch.setattr(syscalls, "flush_directory", noting("flush", flush_directory))
    monkeypatch.setattr(Path, "replace", noting("replace", replace_file))
    monkeypatch.setattr(Path, "unlink", noting("unlink", unlink))
    await mend(layout)
    at = steps.index("replace rebuilding.sqlite3")
    assert steps.index("flush state.sqlite3.") < steps.index("flush data") < at
    assert steps.index("flush rebuilding.sqlite3") < at
    assert steps.index("unlink state.sqlite3-wal") < at
    assert "flush data" in steps[at:]
    assert sorted(path.name.split("damaged")[0] for path in layout.root.iterdir()) == [
        "locks",
        "server.lock",
        "state.lock",
        "state.sqlite3",
        "state.sqlite3.",
        "uploads",
    ]


async def test_file_system_without_links_keeps_a_copy(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    await fill(layout, 6)
    damaged = garble(layout)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert (await mend(layout)).is_clean
    (kept,) = layout.root.glob("state.sqlite3.damaged-*")
    assert kept.read_bytes() == damaged
