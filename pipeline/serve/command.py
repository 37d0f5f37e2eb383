"""The server: a socket, uvicorn, and a clean end."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
from typing import TYPE_CHECKING

import uvicorn

from pipeline.errors import ServeError
from pipeline.serve.app import create_app
from pipeline.serve.errors import NoRunError
from pipeline.serve.runs import PublishedRuns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

#: Longer requests are refused by the application, in words; beyond this by the protocol.
_MAX_REQUEST_BYTES = 4 << 20
#: What requests that are under way at the end may take.
_GRACE_SECONDS = 3


def serve(root: Path, *, host: str, port: int, hosts: Collection[str] = (), recall: float = 1.0) -> None:
    """Serve the published run of a root until interrupted.

    Parameters
    ----------
    root
        Folder of the runs.
    host, port
        Where to listen; port 0 for any free one.
    hosts
        Host names to answer to, beside that one and the loopback's.
    recall
        Of look-ups; 1 is exact.

    Raises
    ------
    ServeError
        If it cannot listen there.
    """
    runs = PublishedRuns(root, recall=recall)
    with _listen(host, port) as listener:
        url = f"http://{_in_url(host)}:{listener.getsockname()[1]}/"
        try:
            described = runs.current().describe_run()
            print(f"serving {described.name} of {described.date} on {url} (Ctrl+C ends it)", flush=True)
        except NoRunError as error:
            print(f"serving on {url} (Ctrl+C ends it)\n{error}", flush=True)
        config = uvicorn.Config(
            create_app(runs, hosts=[host, *hosts]),
            log_level="warning",
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=_MAX_REQUEST_BYTES,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        with _quiet_signals():
            uvicorn.Server(config).run(sockets=[listener])


@contextlib.contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # names that no resolver can be asked for are a UnicodeError
        problem = getattr(error, "strerror", None) or "not a host name"
        raise ServeError(f"cannot listen on {host}: {problem}", hint="Choose another --host.") from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(128)
        except OSError as error:
            problem = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
            raise ServeError(f"port {port} on {host} {problem}", hint="Choose another --port; 0 takes any.") from None
        yield listener


@contextlib.contextmanager
def _quiet_signals() -> Iterator[None]:
    """Let uvicorn end by signals, which it sends again when it has ended, to handlers that do nothing more."""
    ending = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: None) for number in ending]
    try:
        yield
    finally:
        for number, handler in zip(ending, before, strict=True):
            signal.signal(number, handler)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
