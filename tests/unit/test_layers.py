"""Who may import whom: a wrong arrow between the layers fails here."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import tusd_py

ROOT = Path(tusd_py.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"), key=str)

#: The interfaces. Whatever implements one is imported by `backends` alone, by `publishing`, which
#: is a part of it, and by `repair`, which opens what no server could.
INTERFACES = {
    *("locks.locker", "locks.slots", "locks.rates"),
    *("storage.data_store", "state.state_store", "state.outbox"),
    *("hooks.hook", "content.check", "storage.publisher"),
}
#: What a layer may import of this project, by the beginning of the name.
LAYERS = {
    "errors": ("errors",),
    "batch_thread": (),
    "bounded_read": (),
    "to_the_end": (),
    "file_lock": (),
    "protocol": ("errors", "protocol"),
    "events": ("errors", "protocol"),
    "logs": ("errors", "events"),
    "metrics": ("errors", "events", "prometheus"),
    "prometheus": ("errors", "events", "metrics", "__init__"),
    "config": (
        *("config", "protocol.published_path", "auth.tokens"),
        *("content.media_types", "content.rules"),
    ),
    "auth": ("errors", "bounded_read", "auth"),
    "locks.locker": ("errors", "protocol", "events"),
    "locks.slots": ("protocol",),
    "locks.rates": ("protocol",),
    "content.check": ("errors", "protocol"),
    "content": ("errors", "protocol", "content"),
    "storage.publisher": ("errors", "protocol"),
    "storage.data_store": ("errors", "protocol", "events"),
    "state.state_store": ("errors", "protocol", "events"),
    "state.outbox": ("protocol", "hooks.hook"),
    "hooks.hook": ("errors", "protocol", "events"),
    "hooks": ("errors", "protocol", "events", "bounded_read", "hooks", "state.outbox"),
    "locks": ("errors", "protocol", "events", "batch_thread", "locks"),
    "storage": (
        "errors",
        "protocol",
        "events",
        "batch_thread",
        "file_lock",
        "to_the_end",
        "storage",
    ),
    "state": (
        *("errors", "protocol", "events", "batch_thread", "file_lock", "state"),
        "hooks.hook",
    ),
    "uploads": ("errors", "protocol", "events", "uploads", *INTERFACES),
    "web": (
        *("errors", "protocol", "events", "to_the_end", "metrics", "uploads", "web", *INTERFACES),
        *("auth.authenticator", "auth.identity"),
    ),
    "telling": ("config", "hooks", "protocol", "state.outbox"),
    "publishing": ("config", "hooks.payload", "protocol", "storage"),
    "checking": ("config", "content"),
    "limiting": ("protocol", "config", "uploads.accounts"),
    "backends": (
        *("telling", "hooks.hook", "checking", "publishing"),
        "content.check",
        "errors",
        "auth",
        "config",
        "locks",
        "storage",
        "state",
    ),
    "composition": (
        *("errors", "protocol", "events", "config", "logs", "backends", "uploads"),
        *("telling", "hooks.post", "metrics", "limiting", *INTERFACES),
    ),
    "repair": ("errors", "protocol", "config", "checking", "storage", "state", "uploads"),
    "server": (
        "errors",
        "events",
        "config",
        "logs",
        "metrics",
        "auth.authenticator",
        "backends",
        "composition",
        "web",
        # What `composition` opens.
        "uploads.service",
        # Which hooks there are.
        "telling",
    ),
    "listening": ("config",),
    "supervisor": (
        *("checking", "publishing", "errors"),
        "config",
        "listening",
        "logs",
        "metrics",
        "backends",
        "composition",
        "server",
    ),
    # It looks at a server from outside, and could be looking at any.
    "doctor": ("doctor",),
    "cli": (
        "errors",
        "protocol",
        "config",
        "server",
        "supervisor",
        "cli",
        # What makes a token, and its line.
        "auth.identity",
        "auth.tokens",
        "doctor",
        # What verifies a data directory, and its findings.
        "repair",
        "uploads.verification",
        # What its commands act on is a service that `server.open_service` opened.
        "uploads.service",
        # What `server.open_office` opens, and what is found there.
        *("composition", "state.outbox"),
        # The name of the state file, to tell a data directory from any other.
        "storage.layout",
        # The version.
        "__init__",
    ),
    "__main__": ("cli",),
    # What somebody embeds, imported when it is asked for.
    "__init__": (
        "auth.identity",
        "hooks.function",
        "config",
        "protocol.links",
        "server",
        "web.app",
        "web.runner",
    ),
}
#: Packages that only some layers know, by the beginning of the layer's name.
THIRD_PARTIES = {
    "aiofiles": ("storage",),
    "aiohttp": ("web", "server", "supervisor", "auth.outgoing", "hooks.webhook"),
    "aiohttp_sse": ("web.events",),
    "annotated_types": ("config",),
    "click": ("cli",),
    "cryptography": ("auth.verifying_keys",),
    "google_crc32c": ("protocol.checksum",),
    "gunicorn": ("supervisor",),
    "jwt": ("auth.json_web_tokens", "auth.verifying_keys"),
    "magic": ("content.sniffing",),
    "multidict": ("web", "auth.outgoing"),
    "prometheus_client": ("metrics", "prometheus"),
    "pydantic": ("config",),
    "pydantic_core": ("config",),
    "requests": ("cli",),
    "rich": ("cli",),
    # Its version, for `tusd-py version`; the command line asks it nothing.
    "sqlite3": ("state", "cli.commands"),
    "sqlite_utils": ("state",),
    "structlog": ("logs", "web.middleware"),
    "tusclient": ("cli",),
    "uvloop": ("server",),
    "yaml": ("config", "cli"),
}
#: What a decision may not depend on: `protocol` has no I/O, no clock and no randomness.
IMPURE = {
    "asyncio",
    "datetime",
    "io",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "threading",
    "time",
    "uuid",
}
#: Names of modules that say nothing of what is in them.
EMPTY_NAMES = {"utils", "util", "helpers", "common", "base", "manager", "misc"}
SQL = re.compile(
    r"\b(SELECT .* FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|INDEX)|PRAGMA)\b",
    re.DOTALL,
)


@dataclass(frozen=True)
class Import:
    """One import: the module that is imported, and where."""

    module: str
    line: int


def name_of(path: Path) -> str:
    """Return a module's name below the package; a subpackage is named like its directory."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports_of(path: Path) -> Iterator[Import]:
    """Yield every import in *path*, those inside functions included."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            module = str(node.module)
            for alias in node.names:
                yield Import(_submodule(module, alias.name), node.lineno)


def _submodule(module: str, name: str) -> str:
    """Return the module that `from module import name` imports."""
    inner = ROOT.joinpath(*module.split(".")[1:], f"{name}.py")
    return f"{module}.{name}" if module.startswith("tusd_py") and inner.exists() else module


def below(path: Path) -> Iterator[Import]:
    """Yield what *path* imports of this project, by its name below the package."""
    for each in imports_of(path):
        top, _, name = each.module.partition(".")
        if top == "tusd_py":
            yield Import(name or "__init__", each.line)


def is_in(name: str, layers: tuple[str, ...]) -> bool:
    return any(name == layer or name.startswith(f"{layer}.") for layer in layers)


def layer_of(name: str) -> str:
    """Return the most special layer that a module belongs to."""
    return max((layer for layer in LAYERS if is_in(name, (layer,))), key=len)


each_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


@each_module
def test_arrows_point_one_way(path: Path) -> None:
    name = name_of(path)
    allowed = LAYERS[layer_of(name)]
    wrong = [each for each in below(path) if not is_in(each.module, allowed)]
    assert not wrong, f"{layer_of(name)} may import {', '.join(allowed) or 'nothing'} alone"


@each_module
def test_only_backends_imports_implementations(path: Path) -> None:
    name = name_of(path)
    package = name.partition(".")[0]
    allowed = {*INTERFACES, "storage.layout"} if package == "cli" else INTERFACES
    for each in below(path):
        imported = each.module.partition(".")[0]
        if imported in {"locks", "storage", "state"} and imported != package:
            assert name in {"backends", "publishing", "repair"} or each.module in allowed, each


@each_module
def test_interface_knows_no_implementation(path: Path) -> None:
    if name_of(path) in INTERFACES:
        packages = {each.module.partition(".")[0] for each in below(path)}
        assert not packages & {"locks", "storage", "state"}


@each_module
def test_third_parties_stay_where_they_belong(path: Path) -> None:
    name = name_of(path)
    for each in imports_of(path):
        top = each.module.partition(".")[0]
        if top == "tusd_py" or (top in sys.stdlib_module_names and top not in THIRD_PARTIES):
            continue
        assert top in THIRD_PARTIES, f"{each}: say in THIRD_PARTIES which layers may use it"
        assert is_in(name, THIRD_PARTIES[top]), f"{each}: only {THIRD_PARTIES[top]} may"


@each_module
def test_protocol_needs_no_io_no_clock_and_no_randomness(path: Path) -> None:
    if is_in(name_of(path), ("protocol", "errors", "events")):
        tops = {each.module.partition(".")[0] for each in imports_of(path)}
        assert not tops & IMPURE


@each_module
def test_clock_and_randomness_are_passed_in(path: Path) -> None:
    """Measuring how long something takes is no reading of the clock."""
    if not is_in(name_of(path), ("uploads", "locks", "state")):
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) != ("time", "time"), f"{path}:{node.lineno}"
    tops = {each.module.partition(".")[0] for each in imports_of(path)}
    assert not tops & {"random", "secrets", "uuid", "datetime"}


@each_module
def test_sql_stays_in_state(path: Path) -> None:
    if is_in(name_of(path), ("state",)):
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not SQL.search(node.value), f"{path}:{node.lineno}"


@each_module
def test_module_says_in_its_name_and_docstring_what_it_is(path: Path) -> None:
    last = name_of(path).rpartition(".")[2]
    assert last not in EMPTY_NAMES
    assert last not in sys.stdlib_module_names or last in {"__main__"}
    assert ast.get_docstring(tree_of(path)), "a module begins with what it does"


def test_every_layer_named_here_exists() -> None:
    names = {name_of(path) for path in MODULES}
    for layer, allowed in LAYERS.items():
        for each in (layer, *allowed):
            assert any(is_in(name, (each,)) for name in names), each


def test_checks_see_imports_inside_functions(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text("def f():\n    from tusd_py.web import app\n    import aiohttp.web\n")
    assert list(imports_of(sample)) == [Import("tusd_py.web.app", 2), Import("aiohttp.web", 3)]
