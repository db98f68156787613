"""
A resumable-upload server that speaks tus 1.0.0.

An offset that a client has been told is never lost: its bytes are durable before the state
store commits it, and the commit is durable before the answer leaves.

`create_app` and `add_tus_routes` put it into a Python service; docs/embedding.md shows how.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tusd_py.auth.identity import Identity, Scope
    from tusd_py.config.model import Settings
    from tusd_py.hooks.function import HookAnswer, HookEvent, HookReply
    from tusd_py.protocol.links import sign_download, sign_upload
    from tusd_py.server import add_tus_routes, create_app
    from tusd_py.web.app import close_after_chunked
    from tusd_py.web.runner import make_runner

__version__ = "0.1.0"
__all__ = [
    "HookAnswer",
    "HookEvent",
    "HookReply",
    "Identity",
    "Scope",
    "Settings",
    "__version__",
    "add_tus_routes",
    "close_after_chunked",
    "create_app",
    "make_runner",
    "sign_download",
    "sign_upload",
]

_PLACES = {
    "HookAnswer": "tusd_py.hooks.function",
    "HookEvent": "tusd_py.hooks.function",
    "HookReply": "tusd_py.hooks.function",
    "Identity": "tusd_py.auth.identity",
    "Scope": "tusd_py.auth.identity",
    "Settings": "tusd_py.config.model",
    "add_tus_routes": "tusd_py.server",
    "close_after_chunked": "tusd_py.web.app",
    "create_app": "tusd_py.server",
    "make_runner": "tusd_py.web.runner",
    "sign_download": "tusd_py.protocol.links",
    "sign_upload": "tusd_py.protocol.links",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the command line needs few of them."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - as late as what it imports

    return getattr(import_module(_PLACES[name]), name)
