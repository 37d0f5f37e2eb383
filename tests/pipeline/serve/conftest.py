"""A served run, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.serve.app import create_app
from pipeline.serve.runs import PublishedRuns

#: A host that is answered.
URL = "http://127.0.0.1:8000"

#: Names that would do harm, or vanish, if they were anything but text.
HOSTILE = [
    "<script>document.title = 'run'</script>",
    '<img src="https://example.com/x.png" onerror="document.title = \'run\'">',
    "bell\x07 and\nnew line",
    "\u202egnp.exe",
    "   ",
    "javascript:alert(1)",
    "& &amp; &lt;",
    "a/b?c#d%2F",
]
HOSTILE_CONFIG = """
[run]
name = "<b>hostile</b>"
root = "{folder}/runs"
date = 2026-01-31

[entities.word]
vectors = {{ path = "{folder}/words.txt" }}
names = {{ path = "{folder}/names.parquet", id = "id", name = "name" }}

[entities.phrase]
vectors = {{ path = "{folder}/phrases.npy" }}

[[tables]]
name = "similar_words"
from = "word"
to = "word"
k = 5
"""
#: Ids that mean something else in a path.
HOSTILE_IDS = [".", "..", "search", "id:search", "a/b", "100%", "<b>", "é"]


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


@pytest.fixture(scope="session")
def hostile_names():
    """Names that would do harm if they were not shown as text."""
    return HOSTILE


@pytest.fixture(scope="session")
def hostile_project(tmp_path_factory, command, published):
    """A run of words and phrases, each in a space of its own, from files; the words' names and ids are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    random = np.random.default_rng(0)
    vectors = random.normal(size=(len(HOSTILE_IDS), 4)).tolist()
    lines = [" ".join([word, *map(str, vector)]) for word, vector in zip(HOSTILE_IDS, vectors, strict=True)]
    (folder / "words.txt").write_text("\n".join([f"{len(lines)} 4", *lines, ""]), encoding="utf-8")
    pq.write_table(pa.table({"id": HOSTILE_IDS, "name": HOSTILE}), folder / "names.parquet")
    np.save(folder / "phrases.npy", random.normal(size=(5, 4)).astype(np.float32))
    (folder / "config.toml").write_text(HOSTILE_CONFIG.format(folder=folder))
    result = command("cfpipe", "run", folder / "config.toml")
    assert result.returncode == 0, result.stderr
    return type(published)(folder)
