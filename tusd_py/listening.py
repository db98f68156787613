"""Opens what clients connect to: TCP or unix sockets, and the certificate of TLS."""

import errno
import socket
import ssl
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from tusd_py.config.load import ConfigError
from tusd_py.config.model import Settings

#: Whoever may enter the directory may connect, like everybody on the machine may to 127.0.0.1.
_SOCKET_MODE: Final = 0o666
_PROBE_SECONDS: Final = 1.0


def listen(settings: Settings) -> list[socket.socket]:
    """
    Return the listening sockets: a unix socket, or one for each address that the host has.

    A socket file that a killed server left is replaced; one that somebody listens on is not.

    Raises:
        OSError: An address is in use, or is not of this machine.
    """
    if settings.unix_socket is not None:
        return [_listen_unix(settings.unix_socket)]
    return _listen_tcp(settings.host, settings.port)


def open_tls(settings: Settings) -> ssl.SSLContext | None:
    """
    Return what TLS needs, or None where it is not asked for.

    It is made before the processes part, so the key needs to be readable for the first alone, and
    sessions are resumed whichever of them answers.

    Raises:
        ConfigError: The certificate or the key cannot be read, or they are not a pair.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # Which versions are the least is for the system's configuration to say, and some allow 1.0.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise ConfigError(
            [
                f"tls_certificate and tls_key: {certificate} and {key} cannot be used ({reason}); "
                "they have to be PEM files of a certificate and of its key without a password"
            ]
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError([_unreadable(certificate, key, error)]) from error
    return context


def _refuse_password() -> str:
    raise ValueError("the key has a password, and there is nobody to ask for it")


def _unreadable(certificate: Path, key: Path, error: Exception) -> str:
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            path.open("rb").close()
        except OSError as cause:
            return f"{name}: {path} cannot be read ({cause.strerror})"
    return f"tls_key: {key}: {error}"


def _listen_tcp(host: str, port: int) -> list[socket.socket]:
    """Listen on each address that *host* has; on one free port where it is 0."""
    sockets: list[socket.socket] = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, _, _, _, (address, *_) in dict.fromkeys(found):
        chosen = sockets[0].getsockname()[1] if sockets else port
        try:
            sockets.append(socket.create_server((address, chosen), family=family))
        except OSError:
            for each in sockets:
                each.close()
            raise
    return sockets


def _listen_unix(path: Path) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(_SOCKET_MODE)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _remove_stale(path: Path) -> None:
    """Remove the socket file of a server that was killed: nobody listens on it."""
    try:
        is_socket = stat.S_ISSOCK(path.stat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise FileExistsError(errno.EEXIST, "is there, and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            with suppress(FileNotFoundError):
                path.unlink()
            return
    raise OSError(errno.EADDRINUSE, "in use")
