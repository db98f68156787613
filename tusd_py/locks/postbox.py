"""
Carries short messages between the processes of one host.

Each process has a unix datagram socket in a directory that only the server's user may enter. A
message may be lost (a full queue, a process that just died): whoever sends one asks again.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".sock"
#: Longer than any message: two words and the name of a socket.
_LONGEST = 512
#: How many messages are taken in one turn of the event loop.
_AT_ONCE = 64

#: Takes the words of a message; the last one is the name of its sender.
Receive = Callable[[list[str]], None]


def remove_sockets(directory: Path, pid: int | None = None) -> None:
    """Remove what the process *pid*, or any, left in *directory* when it was killed."""
    for path in directory.glob(f"{'*' if pid is None else pid}-*{_SUFFIX}"):
        path.unlink(missing_ok=True)


class Postbox:
    """
    One process's socket, and the way to the others'.

    Args:
        directory: Where the sockets are; it exists.
        receive: Called on the event loop with each message.
    """

    def __init__(self, directory: Path, receive: Receive) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._path = directory
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.name = f"{os.getpid()}-{time.monotonic_ns():x}{_SUFFIX}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(self._address(self.name))
        self._loop.add_reader(self._socket, self._take)

    def send(self, name: str, *words: str) -> None:
        """Send *words* to the process whose socket has that name, if it is still there."""
        message = " ".join((*words, self.name)).encode()
        try:
            self._socket.sendto(message, self._address(name))
        except ConnectionRefusedError:
            self._unlink(name)  # its process was killed
        except OSError:
            return  # it is gone, or its queue is full

    def send_all(self, *words: str) -> None:
        """Send *words* to every other process; reads a directory."""
        for path in self._path.glob(f"*{_SUFFIX}"):
            if path.name != self.name:
                self.send(path.name, *words)

    def close(self) -> None:
        """Take the socket away."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._unlink(self.name)
        os.close(self._directory)

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                message = self._socket.recv(_LONGEST)
            except OSError:
                return
            self._receive(message.decode(errors="replace").split(" "))

    def _address(self, name: str) -> str:
        """Return a path that is short: an address has room for 107 bytes."""
        return f"/proc/self/fd/{self._directory}/{name}"

    def _unlink(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(name, dir_fd=self._directory)
