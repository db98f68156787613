"""What to do about a finding: the line to change, in each proxy."""

from dataclasses import dataclass
from typing import Final

NGINX: Final = "nginx"
CADDY: Final = "Caddy"
TRAEFIK: Final = "Traefik"
INGRESS: Final = "ingress-nginx"
ELSEWHERE: Final = "elsewhere"


@dataclass(frozen=True, slots=True)
class Remedy:
    """
    What to do about a finding.

    Attributes:
        meaning: What it costs clients, in plain words.
        nginx: The line to change there; so with the proxies that follow. Empty for none.
        elsewhere: What helps in the server or in clients, where no proxy is to blame or to change.
        is_needed: Whether clients fail without; else they are merely worse off.
    """

    meaning: str
    nginx: str = ""
    caddy: str = ""
    traefik: str = ""
    ingress: str = ""
    elsewhere: str = ""
    is_needed: bool = True

    def lines(self, first: str | None = None) -> list[tuple[str, str]]:
        """Return each place and its line; those of the proxy *first* lead."""
        places = {
            NGINX: self.nginx,
            CADDY: self.caddy,
            TRAEFIK: self.traefik,
            INGRESS: self.ingress,
            ELSEWHERE: self.elsewhere,
        }
        leading = {NGINX: (NGINX, INGRESS)}.get(first or "", (first,))
        order = sorted(places, key=lambda place: place not in leading)
        return [(place, places[place]) for place in order if places[place]]


#: Where annotations of ingress-nginx begin, and where else its settings are.
ANNOTATION: Final = "nginx.ingress.kubernetes.io"
CONFIG_MAP: Final = "ConfigMap of the controller:"
