"""The server as a process: its start, its end, and what it lives through."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import signal
import socket
from urllib.parse import urlsplit

import pytest

from pipeline import extras, serve
from pipeline.errors import ConfigError


@pytest.fixture
def own(tmp_path, published):
    """The small project's run, of a test's own."""
    shutil.copytree(published.folder, tmp_path, dirs_exist_ok=True)
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace(str(published.folder), str(tmp_path)))
    return type(published)(tmp_path)


def ask(url, path, method="GET"):
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly(published, start_server, number):
    with start_server(published.config) as (url, process):
        assert ask(url, "/api/entities")[0] == 200
        process.send_signal(number)
        assert (process.wait(20), process.stdout.read()) == (0, "")


def test_what_it_lives_through(own, start_server):
    with start_server(own.config) as (url, process):
        assert ask(url, "/")[0] == ask(url, "/static/app.js")[0] == 200
        status, text = ask(url, "/api/artist/search?q=" + "x" * 1_000_000)
        assert (status, "expected an address of up to" in text) == (414, True)
        with contextlib.suppress(ConnectionError):  # it may be cut off before all of it is sent
            assert ask(url, "/api/artist/search?q=" + "x" * 6_000_000)[0] == 400
        assert ask(url, "/api/artist/%ff%fe/similar")[0] == 404
        before = ask(url, "/api/artist/3/similar?to=track")
        shutil.rmtree(own.root)
        assert ask(url, "/api/artist/3/similar?to=track") == before
        assert ask(url, "/api/recommend?like=track:t003&dislike=artist:1&to=user")[0] == 200
        assert ask(url, "/api/explain?item=track:t030&user=1004")[0] == 200
        assert ask(url, "/api/artist/search?q=wierd")[0] == ask(url, "/api/track/t003")[0] == 200
        assert process.poll() is None


def test_a_port_in_use(published, command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = command("cfpipe", "serve", published.config, "--port", str(port))
    assert result.returncode == 9
    assert result.stderr.splitlines() == [
        f"error: port {port} on 127.0.0.1 is in use",
        "Choose another --port; 0 takes any.",
    ]


def test_an_address_that_is_not_there(published, command):
    result = command("cfpipe", "serve", published.config, "--host", "no.such.host.invalid")
    assert (result.returncode, len(result.stderr.splitlines())) == (9, 2)


def test_it_says_which_extra_is_missing(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "uvicorn" else object())
    with pytest.raises(ConfigError, match=r"serving needs uvicorn\npip install 'cfpipe\[serve\]'"):
        serve.check_installed()
