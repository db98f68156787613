"""A page that is open in Chromium, and uploads with tus-js-client when told to."""

import json
from typing import Any, NamedTuple

from tests.browser.scene import Scene

# Tries again at once, and for longer than a restart takes; the client's own delays go up to 5 s.
PATIENT = [0, *[100] * 80]


class Outcome:
    """How an upload ended, or stands, and the requests that the page made up to then."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.event: str | None = said.get("event")
        self.message: str = said.get("message", "")
        #: What the page saw last where it failed: None for a network error.
        self.status: int | None = said.get("status")
        self.url: str = said["url"]
        self.requests: list[dict[str, Any]] = said["requests"]

    def of(self, method: str) -> list[dict[str, Any]]:
        """Give the requests of *method*, in the order they were sent."""
        return [request for request in self.requests if request["method"] == method]


class Answer(NamedTuple):
    """
    What a page may see of an answer, and after how long.

    Its status is 0 for a network error, which is also what an answer without CORS headers is.
    """

    status: int
    headers: dict[str, str]
    text: str
    seconds: float


class UploadPage:
    """
    A page that does what pages/uploads.js can.

    Args:
        scene: Plays scenarios/uploads.mjs.
        endpoint: Where the page's uploads are created.
    """

    def __init__(self, scene: Scene, endpoint: str) -> None:
        self._scene = scene
        self._options: dict[str, Any] = {"endpoint": endpoint, "retryDelays": PATIENT}
        self.load()

    def call(self, function: str, *values: object) -> Any:
        """Have the page do this, and give what comes of it."""
        self._scene.tell(json.dumps([function, *values]))
        return self._scene.expect(function)["result"]

    def load(self) -> None:
        """Load the page, which forgets what it did, and choose the file."""
        self.call("load")

    def begin(self, task: dict[str, Any] | None = None, **options: Any) -> None:
        """Start an upload of the page's file, with the options of tus-js-client given."""
        self.call("begin", {"options": self._options | options} | (task or {}))

    def pause(self) -> Outcome:
        """Abort the upload, and tell how it stands."""
        return Outcome(self.call("pause"))

    def outcome(self) -> Outcome:
        """Wait until every upload that was begun has ended one way or the other."""
        return Outcome(self.call("outcome"))

    def success(self) -> Outcome:
        """Wait until every upload that was begun has ended well."""
        outcome = self.outcome()
        assert outcome.event == "success", f"{outcome.message} after {outcome.requests}"
        return outcome

    def ask_all(self, *requests: dict[str, Any]) -> list[Answer]:
        """Have the page send these at once; pages/uploads.js says what a request has."""
        return [Answer(**answer) for answer in self.call("askAll", requests)]

    def ask(self, method: str, url: str, **headers: str) -> Answer:
        """Have the page send one request; Upload_Offset stands for Upload-Offset."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask_all({"method": method, "url": url, "headers": named})[0]

    def problems(self) -> list[str]:
        """Give what went wrong on the page: errors on its console, and uncaught ones."""
        problems: list[str] = self.call("problems")
        return problems
