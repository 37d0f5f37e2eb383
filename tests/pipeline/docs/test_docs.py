"""The command that shows the documentation."""

from __future__ import annotations

from pipeline.docs import pages, title


def test_every_page_has_a_title():
    found = pages()
    assert list(found)[:2] == ["getting-started", "concepts"]
    assert all(title(text) for text in found.values())


def test_pages_are_listed_and_shown(command):
    listed = command("cfpipe", "docs")
    assert listed.returncode == 0, listed.stderr
    for name, text in pages().items():
        assert any(line.split() == [name, *title(text).split()] for line in listed.stdout.splitlines()), name
    shown = command("cfpipe", "docs", "configuration")
    assert "min_against_popularity" in shown.stdout
    unknown = command("cfpipe", "docs", "nonsense")
    assert unknown.returncode == 8
    assert "getting-started" in unknown.stderr
