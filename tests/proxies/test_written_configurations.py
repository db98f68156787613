"""Configurations for proxies that no test can run: what there is to know of them without."""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.proxies.nginx import CONFIGURATION, location_lines

CONFIG = Path(__file__).parents[2] / "config"
INGRESS = "nginx.ingress.kubernetes.io/"
#: Where the two have different names for the same line.
RENAMED = {"client-max-body-size": "proxy-body-size"}


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((CONFIG / name).read_text()))


def directives(text: str) -> dict[str, str]:
    """Return the lines of one value, named as annotations are."""
    found = re.findall(r"^ *([a-z0-9_]+) ([^;{]+);$", text, re.MULTILINE)
    return {name.replace("_", "-"): value for name, value in found}


def test_annotations_say_what_the_lines_of_nginx_say() -> None:
    ingress, controller = documents("kubernetes-ingress.yaml")
    lines = directives(location_lines())
    lines = {RENAMED.get(name, name): value for name, value in lines.items()}
    # Not those that the controller has of its own accord, or not at all.
    for name in ("proxy-set-header", "error-page"):
        del lines[name]
    number, size = lines.pop("proxy-buffers").split(" ")
    assert size == lines["proxy-buffer-size"], "the controller has one size for both"
    lines["proxy-buffers-number"] = number
    lines = {name: {"5m": "300"}.get(value, value) for name, value in lines.items()}

    annotations = ingress["metadata"]["annotations"]
    assert {INGRESS + name: value for name, value in lines.items()} == annotations

    everywhere = directives(CONFIGURATION.read_text())
    data = controller["data"]
    assert data["large-client-header-buffers"] == everywhere["large-client-header-buffers"]
    assert directives(data["http-snippet"]).items() <= everywhere.items()


def test_traefik_has_every_part_that_it_names() -> None:
    static, dynamic = documents("traefik.yaml")
    http = dynamic["http"]
    for router in http["routers"].values():
        assert set(router["entryPoints"]) <= set(static["entryPoints"])
        assert set(router["middlewares"]) <= set(http["middlewares"])
        assert router["service"] in http["services"]
        assert router["tls"]["certResolver"] in static["certificatesResolvers"]
    for service in http["services"].values():
        assert service["loadBalancer"]["serversTransport"] in http["serversTransports"]
    timeouts = static["entryPoints"]["websecure"]["transport"]["respondingTimeouts"]
    assert timeouts["readTimeout"] == "0s"
