"""Scenes: scenarios that Chromium plays (see driver.mjs)."""

import json
import subprocess
from collections import defaultdict, deque
from itertools import count
from pathlib import Path
from typing import Any

BROWSER = Path(__file__).parent


class Driver:
    """
    A Node.js that drives one Chromium for many scenes.

    Every wait for it ends: its watchdog ends a scenario that takes too long, and then itself.
    """

    def __init__(self, node: str, chromium: str) -> None:
        self._process = subprocess.Popen(
            [node, str(BROWSER / "driver.mjs"), chromium],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._numbers = count(1)
        self._received: defaultdict[int, deque[dict[str, Any]]] = defaultdict(deque)

    @property
    def runs(self) -> bool:
        """Tell whether it can play; what has hung or crashed cannot."""
        return self._process.poll() is None

    def play(self, scenario: str, task: dict[str, Any]) -> "Scene":
        """Begin the scenario of that name with its task."""
        scene = Scene(self, next(self._numbers))
        scene.send(play=scenario, task=task)
        return scene

    def send(self, message: dict[str, Any]) -> None:
        """Send one message of a scene."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def receive(self, scene: int) -> dict[str, Any] | None:
        """Wait for the next message of the scene, which is None when the driver has ended."""
        assert self._process.stdout is not None
        while not self._received[scene]:
            line = self._process.stdout.readline()
            if not line:
                self._process.wait()
                return None
            message: dict[str, Any] = json.loads(line)
            self._received[message["scene"]].append(message)
        return self._received[scene].popleft()

    def close(self) -> None:
        """Close the browser."""
        try:
            self._process.communicate(timeout=10)  # closes its stdin, and so the browser
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


class Scene:
    """A scenario that has begun."""

    def __init__(self, driver: Driver, number: int) -> None:
        self._driver = driver
        self._number = number

    def send(self, **message: object) -> None:
        """Send the driver a message about this scene."""
        self._driver.send({"scene": self._number} | message)

    def expect(self, event: str) -> dict[str, Any]:
        """Wait for what the scenario says next: it is *event*."""
        said = self._driver.receive(self._number)
        assert said, "the driver ended without a word; its complaint is in the captured stderr"
        assert said["event"] == event, f"{said['event']}: {said.get('message', said)}"
        return said

    def tell(self, command: str) -> None:
        """Send *command*, one line, to the scenario's `hear()`."""
        self.send(tell=command)

    def close(self) -> None:
        """Close its pages, whether or not the scenario has come to its end."""
        if not self._driver.runs:
            return
        self.send(end=True)
        while said := self._driver.receive(self._number):
            if "ended" in said:
                break
