"""The application as a server calls it."""

from __future__ import annotations

import asyncio

import pytest

from pipeline.serve.app import create_app
from pipeline.serve.runs import PublishedRuns

SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/api/artist/search",
    "raw_path": b"/api/artist/search",
    "root_path": "",
    "query_string": b"q=weird",
    "headers": [(b"host", b"localhost")],
}


@pytest.mark.parametrize(
    ("message", "status", "looked_up"),
    [({"type": "http.request", "body": b"", "more_body": False}, 200, 1), ({"type": "http.disconnect"}, 499, 0)],
)
def test_nothing_is_looked_up_for_who_has_gone(published, monkeypatch, message, status, looked_up):
    runs = PublishedRuns(published.root)
    current, asked, sent = runs.current, [], []

    def count():
        asked.append(1)
        return current()

    async def receive():
        return message

    async def send(part):
        sent.append(part)

    monkeypatch.setattr(runs, "current", count)
    asyncio.run(create_app(runs)(SCOPE, receive, send))
    assert (sent[0]["status"], len(asked)) == (status, looked_up)
