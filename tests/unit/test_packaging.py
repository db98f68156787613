"""What is promised to those who install, build or run the project holds in the files that do it."""

import ast
import configparser
import json
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import EntryPoint, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import tusd_py
from tests.clients.conftest import require

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tusd_py"
SCRIPTS = [
    *("scripts/serve", "scripts/test", "scripts/check", "scripts/audit", "scripts/page"),
    ".ci/run",
]


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def requirements(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if line.strip()]


def plain(distribution: str) -> str:
    """Give the one spelling of a distribution's name that all others compare equal to."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


class TestPackage:
    def test_runs_on_the_oldest_python_it_promises(
        self, setup_cfg: configparser.ConfigParser
    ) -> None:
        assert setup_cfg["options"]["python_requires"] == ">=3.11"
        assert sys.version_info >= (3, 11)

    def test_gets_its_version_from_the_one_place(
        self, setup_cfg: configparser.ConfigParser
    ) -> None:
        assert setup_cfg["metadata"]["version"] == "attr: tusd_py.__version__"
        assert re.fullmatch(r"\d+\.\d+\.\d+([a-z]+\d+)?", tusd_py.__version__)

    def test_tells_of_its_version_in_the_changelog(self) -> None:
        assert f"## [{tusd_py.__version__}]" in (ROOT / "CHANGELOG.md").read_text()

    def test_bounds_every_dependency_above(self, setup_cfg: configparser.ConfigParser) -> None:
        for requirement in requirements(setup_cfg["options"]["install_requires"]):
            operators = {specifier.operator for specifier in requirement.specifier}
            assert operators == {">=", "<"}, requirement

    def test_needs_what_it_imports_and_imports_what_it_needs(
        self, setup_cfg: configparser.ConfigParser
    ) -> None:
        needed = {
            plain(requirement.name)
            for requirement in requirements(setup_cfg["options"]["install_requires"])
        }
        distributions = packages_distributions()
        imported = {
            plain(distribution)
            for module in imported_modules() - sys.stdlib_module_names - {"tusd_py"}
            for distribution in distributions[module]
        }
        # aiohttp's worker for gunicorn imports it, by the name of its class.
        assert needed - {"uvloop"} <= imported
        for extra in ("jwt", "content"):
            optional = requirements(setup_cfg["options.extras_require"][extra])
            needed |= {plain(requirement.name) for requirement in optional}
        # What comes along by the declared range of a package, and is in its interface, may be used.
        brought = {
            plain(Requirement(line).name) for name in needed for line in requires(name) or []
        }
        assert imported <= needed | brought

    def test_tells_type_checkers_that_it_is_typed(
        self, setup_cfg: configparser.ConfigParser
    ) -> None:
        assert "py.typed" in setup_cfg["options.package_data"]["tusd_py"].split()
        assert (PACKAGE / "py.typed").exists()

    def test_has_no_directory_of_modules_that_would_not_be_packaged(self) -> None:
        directories = {module.parent for module in PACKAGE.rglob("*.py")}
        assert [d for d in directories if not (d / "__init__.py").exists()] == []

    def test_installs_the_command(self, setup_cfg: configparser.ConfigParser) -> None:
        name, _, target = setup_cfg["options.entry_points"]["console_scripts"].partition(" = ")
        assert name.strip() == "tusd-py"
        assert callable(EntryPoint(name, target, "console_scripts").load())


def imported_modules() -> set[str]:
    """Give the top-level name of every module that the package imports, wherever it does so."""
    names: set[str] = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.partition(".")[0])
    return names


def dockerfile() -> list[tuple[str, str]]:
    """Give the instructions of the Dockerfile, each as its name and what follows."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines) if name]


def last_stage() -> dict[str, str]:
    """Give the instructions of the stage that becomes the image; of each kind the last one."""
    instructions = dockerfile()
    start = max(index for index, (name, _) in enumerate(instructions) if name == "FROM")
    return dict(instructions[start:])


class TestImage:
    def test_is_built_in_a_stage_that_it_leaves_behind(self) -> None:
        stages = [rest for name, rest in dockerfile() if name == "FROM"]
        assert [stage.partition(" AS ")[2] for stage in stages] == ["page", "builder", ""]
        assert last_stage()["COPY"].startswith("--from=builder ")

    def test_does_not_run_as_root(self) -> None:
        user, _, group = last_stage()["USER"].partition(":")
        assert int(user) > 0
        assert int(group) > 0

    def test_writes_only_into_its_volume(self) -> None:
        image = last_stage()
        environment = dict(pair.split("=", 1) for pair in shlex.split(image["ENV"]))
        assert image["VOLUME"] == environment["TUSD_PY_DATA_DIR"] == "/data"
        assert environment["PYTHONDONTWRITEBYTECODE"] == "1"

    def test_serves_on_the_port_it_exposes_and_stops_as_docker_asks(self) -> None:
        image = last_stage()
        environment = dict(pair.split("=", 1) for pair in shlex.split(image["ENV"]))
        assert image["EXPOSE"] == "1080"
        assert environment["TUSD_PY_HOST"] == "0.0.0.0"  # noqa: S104 - inside the container
        assert json.loads(image["ENTRYPOINT"]) == ["tusd-py"]
        assert json.loads(image["CMD"]) == ["serve"]
        assert image["STOPSIGNAL"] == "SIGTERM"

    def test_asks_the_server_for_its_health(self) -> None:
        python, flag, program = json.loads(last_stage()["HEALTHCHECK"].partition(" CMD ")[2])
        assert (python, flag) == ("python", "-c")
        assert "http://127.0.0.1:1080/healthz" in program
        compile(program, "HEALTHCHECK", "exec")

    def test_finds_what_it_copies_past_dockerignore(self) -> None:
        rules = (ROOT / ".dockerignore").read_text().splitlines()
        copied = [
            path
            for name, rest in dockerfile()
            if name == "COPY" and not rest.startswith("--from")
            for path in rest.split()[:-1]
            if path != "tusd_py/page"  # comes along with tusd_py
        ]
        assert all((ROOT / path).exists() for path in copied)
        # Everything else is left out, so that nothing gets into an image by accident.
        assert [rule for rule in rules if not rule.startswith(("#", "**"))] == [
            "*",
            *(f"!{path}" for path in copied),
        ]


class TestScripts:
    @pytest.mark.parametrize("script", SCRIPTS)
    def test_can_be_run(self, script: str) -> None:
        path = ROOT / script
        assert os.access(path, os.X_OK)
        assert path.read_text().startswith("#!/usr/bin/env bash\n")
        assert "\nset -euo pipefail\n" in path.read_text()
        subprocess.run(["bash", "-n", str(path)], check=True)  # noqa: S607 - as its first line does


class TestClients:
    @pytest.mark.parametrize("place", ["tests/clients/javascript", "tusd_py/page"])
    def test_are_pinned_without_naming_where_they_came_from(self, place: str) -> None:
        directory = ROOT / place
        package = json.loads((directory / "package.json").read_text())
        declared = package["dependencies"] | package.get("devDependencies", {})
        lock = json.loads((directory / "package-lock.json").read_text())["packages"]

        for name, version in declared.items():
            assert lock[f"node_modules/{name}"]["version"] == version
        assert [path for path, package in lock.items() if "resolved" in package] == []


class TestPage:
    def test_comes_with_the_licences_of_what_was_built_into_it(self) -> None:
        static = PACKAGE / "page" / "static"
        require("the page with Uppy in it", static.is_dir())
        names = json.loads((static / "manifest.json").read_text())
        assert {file.name for file in static.iterdir()} == {
            *("manifest.json", ".built"),
            *names.values(),
        }
        text = (static / names["licences"]).read_text()
        package = json.loads((PACKAGE / "page" / "package.json").read_text())
        for name, version in package["dependencies"].items():
            assert f"\n{name} {version} (MIT)\n" in text
        assert text.count("Copyright") > len(package["dependencies"])
