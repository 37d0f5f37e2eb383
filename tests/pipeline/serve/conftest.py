"""A served run, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import httpx
import pytest

from pipeline.serve.app import create_app
from pipeline.serve.runs import PublishedRuns

#: A host that is answered.
URL = "http://127.0.0.1:8000"


class Client:
    """Asks an application in this process."""

    def __init__(self, app):
        self.app = app

    def request(self, method, url, **arguments):
        async def send():
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
                return await client.request(method, url, **arguments)

        return asyncio.run(send())

    def get(self, url, **arguments):
        return self.request("GET", url, **arguments)


@pytest.fixture(scope="session")
def serve_root():
    """Make a client of the application over a root."""

    def serve(root, *, hosts=(), recall=1.0):
        return Client(create_app(PublishedRuns(root, recall=recall, check_seconds=0.0), hosts=hosts))

    return serve


@pytest.fixture(scope="session")
def client(published, serve_root):
    """A client of the small project's run."""
    return serve_root(published.root)


@pytest.fixture(scope="session")
def start_server(start_command):
    """Start ``cfpipe serve`` on a free port; gives its address and its process, which ends with the block."""

    @contextlib.contextmanager
    def start(config, *arguments):
        process = start_command("cfpipe", "serve", config, "--port", "0", *arguments, cwd=config.parent)
        try:
            line = process.stdout.readline()
            assert "http://" in line, line + process.stdout.read()
            yield next(word for word in line.split() if word.startswith("http://")).rstrip("/"), process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
            process.stdout.close()

    return start
