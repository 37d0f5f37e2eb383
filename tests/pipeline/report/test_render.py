"""How values are written on the page."""

from __future__ import annotations

import json

import pytest

from pipeline.report.charts import Bar, bars
from pipeline.report.render import as_script_data, count, figure, label, plain, seconds, size


def test_numbers_are_written_for_people():
    assert [count(value) for value in (0, 1234567)] == ["0", "1,234,567"]
    assert [figure(value) for value in (0.0, 0.12345, 0.00012, None)] == ["0.0000", "0.1235", "1.20e-04", "–"]
    assert [size(value) for value in (None, 5, 2048, 3 << 20, 5 << 30)] == ["–", "5 B", "2 KiB", "3 MiB", "5 GiB"]
    assert [seconds(value) for value in (0.123, 12.34, 125.0)] == ["0.12 s", "12.3 s", "2 min 5 s"]


@pytest.mark.parametrize("letter", ["\0", "\x1b", "\u202e", "\u2028", "\n"])
def test_what_cannot_be_printed_is_marked(letter):
    assert plain(f"a{letter}b") == "a\N{REPLACEMENT CHARACTER}b"
    assert plain("Sigur Rós 少女時代") == "Sigur Rós 少女時代"


def test_names_are_cut_where_nobody_reads_on():
    assert label("a" * 120) == "a" * 120
    assert label("a" * 100_000) == "a" * 119 + "…"
    assert label("\n" + "a" * 9, 5) == "\N{REPLACEMENT CHARACTER}aaa…"


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--", "a & b", "\u2028", '"\\'])
def test_data_of_the_script_cannot_end_it(text):
    written = as_script_data({"name": text})
    assert json.loads(written) == {"name": text}
    assert not set("<>&") & set(written)


def test_texts_of_a_plot_are_escaped():
    svg = bars("key", "<title>", "<words> & more", [Bar("<b>", 1.0, "<i>")])
    for raw in ("<b>", "<i>", "<words>", "& more"):
        assert raw not in svg
    assert "&lt;words&gt; &amp; more" in svg


def test_bars_without_a_length_are_drawn():
    svg = bars("key", "title", "words", [Bar("nothing", 0.0, "0"), Bar("none either", 0.0, "0", interval=(0.0, 0.0))])
    assert svg.count("<rect") == 2
    assert "nan" not in svg
