"""What keeps a browser safe, around every answer."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from pipeline.serve.answers import error_response
from pipeline.serve.errors import RequestError, TooLongError

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes of an address that are read: more than the largest taste takes, unless its ids are hundreds of letters long.
MAX_ADDRESS = 1 << 15

#: The page is of files of its own alone, and runs nothing else.
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Answers only who asks for a known host, with headers that a browser heeds, on every answer.

    A page elsewhere could give its own name this server's address and so read from it (DNS rebinding): its requests
    name another host.

    Parameters
    ----------
    app
        What answers.
    hosts
        Host names that may be asked for, beside those of the loopback and any address in digits; ``"*"`` for all.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        app = self._refusal(scope) or self._app
        # Routes match the path as it was sent: an id may have a slash in it, as %2F.
        raw_path = scope.get("raw_path") or scope["path"].encode()
        await app({**scope, "path": raw_path.decode("latin-1")}, receive, send_safely)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        if len(scope["query_string"]) + len(scope["path"]) > MAX_ADDRESS:
            return error_response(
                TooLongError(f"expected an address of up to {MAX_ADDRESS:,} bytes", hint="Ask for less at once.")
            )
        host = Headers(scope=scope).get("host", "")
        if not self._is_known(host):
            return error_response(
                RequestError(
                    f"unknown host {host[:100]!r}", hint="Ask for localhost, or start with --allow-host and its name."
                )
            )
        return None

    def _is_known(self, host: str) -> bool:
        if "*" in self._hosts:
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name.lower() in self._hosts or _is_address(name)


def _is_address(name: str) -> bool:
    """Whether a name is an address in digits: nobody can give that another meaning."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
