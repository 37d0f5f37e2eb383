"""The report of a run: what it says, that it says it safely, and that it needs nothing but itself."""

from __future__ import annotations

import json
import re
import shutil
import warnings
import xml.etree.ElementTree as ET

import pytest

import pipeline
from pipeline.progress import no_progress

SVG = "{http://www.w3.org/2000/svg}"


# What it needs --------------------------------------------------------------------------------------------------------


def test_nothing_is_fetched(any_report):
    for _, attributes in any_report.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            assert attributes.get(name) is None or attributes[name].startswith("#"), attributes
        assert not any(name.startswith("on") for name in attributes), attributes
        assert "style" not in attributes
    style = re.search(r"<style>(.*?)</style>", any_report.html, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(attributes["content"] for _, attributes in any_report.elements if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_it_is_small(any_report):
    assert any_report.path.stat().st_size < 3_000_000


def test_every_plot_is_well_formed_and_has_words(any_report):
    ids = [attributes["id"] for _, attributes in any_report.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    shown = 0
    for drawing in any_report.drawings:
        svg = ET.fromstring(drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))  # noqa: S314
        if svg.get("aria-hidden") == "true":
            continue
        shown += 1
        assert svg.get("role") == "img"
        title, words = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
        assert svg.get("aria-labelledby") == f"{title.get('id')} {words.get('id')}"
        assert title.text
        assert words.text
    assert shown >= 2


def test_its_parts_are_titled_and_linked(any_report):
    ids = {attributes.get("id") for _, attributes in any_report.elements}
    links = {attributes["href"] for tag, attributes in any_report.elements if tag == "a"}
    assert {link[1:] for link in links} <= ids
    assert {"#ran", "#data", "#time", "#gates", "#lookups", "#maps"} <= links
    sections = [attributes for tag, attributes in any_report.elements if tag == "section"]
    assert all(section["aria-labelledby"] in ids for section in sections)


# What it says ---------------------------------------------------------------------------------------------------------


def test_what_ran(report):
    for expected in ("small 2026-01-31", "There was no run before it.", "All 7 gates passed", "factorize.factors 8"):
        assert expected in report.text
    assert "run.root" not in report.text
    assert re.search(r"plays\.csv 1 [\d.]+ KiB", report.text)
    assert re.search(r"numpy \d+\.\d+", report.text)


def test_the_funnel_and_the_distributions_are_those_of_the_matrix(report, published):
    stats = pipeline.open_run(published.root).encoded.stats
    assert f"{stats['rows_read']:,} · 100 %" in report.text
    assert f"{stats['nnz']:,}" in report.text
    degrees = pipeline.open_run(published.root).encoded.user_items.getnnz(axis=0)
    assert f"the most is {degrees.max()}." in report.text
    for title in ("Activity of users", "Popularity of tracks", "Popularity of artists", "Events per day"):
        assert title in report.text


def test_quality_is_that_of_the_evaluation(report, published):
    evaluation = pipeline.open_run(published.root).evaluation
    for system in ("model", "baselines"):
        measures = evaluation[system] if system == "model" else evaluation[system]["item_knn"]
        assert f"{measures['ndcg@20']:.4f}" in report.text
        assert f"{measures['recall@5']:.4f}" in report.text
    low, high = evaluation["intervals"]["model"]["ndcg@20"]
    assert f"({low:.4f} to {high:.4f})" in report.text
    for segment in ("light", "medium", "heavy", "tail", "middle", "head"):
        assert f"{segment}: " in report.text


def test_the_training_curve_falls(report, published):
    run = pipeline.open_run(published.root)
    model = json.loads((run.root / run.content["model"] / "model.json").read_text())
    values = model["curve"]["values"]
    assert len(values) == 5
    assert values[-1] < values[0]
    assert f"on all interactions from {values[0]:.4g} to {values[-1]:.4g}" in report.text
    assert "on the training part from" in report.text


def test_tables_gates_lookups_and_maps(report, published):
    run = pipeline.open_run(published.root)
    for name in run.tables:
        assert f"Scores in {name}" in report.text
        assert f"{run.manifest(name)['rows']:,}" in report.text
    for gate in json.loads((run.root / run.content["checks"]).read_text())["gates"]:
        assert gate["name"] in report.text
    best_known = run.map("track")["name"][0].as_py()
    nearest = run.similar("track", best_known, k=3)
    assert all(f"{neighbor.name} {neighbor.score:.2f}" in report.text for neighbor in nearest)
    assert "Cosines between the 12 best known of type artist" in report.text
    assert {"Map of artists", "Map of tracks"} <= set(re.findall(r"Map of \w+", report.text))


def test_every_step_has_its_time_and_memory(report, published):
    run = pipeline.open_run(published.root)
    records = [json.loads(path.read_text()) for path in (run.root / "records").glob("*.json")]
    steps = {record["step"] for record in records}
    assert {"EncodeInteractions", "FitFactors train", "WriteTable similar_artists", "DrawMap artist"} <= steps
    section = re.search(r'<section id="time".*?</section>', report.html, re.DOTALL)[0]
    for record in records:
        timing = record["timing"]
        assert timing["seconds"] >= 0.0
        assert timing["peak_memory_bytes"] > 1 << 20
        if record["step"] != "WriteReport":
            assert f">{record['step']}<" in section
    assert "not recorded" not in section


def test_a_later_run_is_compared_with_the_one_before(second_report):
    assert "The run before it: 2026-01-31." in second_report.text
    assert "Overlap with the run of 2026-01-31. On average" in second_report.text
    assert "0 lists are new" in second_report.text
    assert "ndcg@20 against the published run" in second_report.text


def test_a_run_without_interactions_shows_what_there_is(words_report):
    assert "80 vectors of 6 dimensions were read" in words_report.text
    assert "Lengths of the vectors of words" in words_report.text
    assert "Similar" not in words_report.text
    links = {attributes["href"] for tag, attributes in words_report.elements if tag == "a"}
    assert not {"#quality", "#training"} & links
    # What the file begins with is taken for the best known.
    assert words_report.text.index("word0 ") < words_report.text.index("word10 ")


def test_a_run_without_timestamps_and_tables_says_what_it_can(hostile_report):
    assert "Events per" not in hostile_report.text
    assert "spectral is fitted by a decomposition: it has no loss to follow" in hostile_report.text
    assert "Singular values, fitted on all interactions" in hostile_report.text
    assert "#tables" not in {attributes["href"] for tag, attributes in hostile_report.elements if tag == "a"}


# What comes from data -------------------------------------------------------------------------------------------------


def test_markup_in_names_is_text(hostile_report):
    assert "<script>alert(1)</script>" in hostile_report.text
    assert '"><img src=x onerror=alert(1)>' in hostile_report.text
    assert "<h1>run</h1>" in hostile_report.text
    assert "bell \N{REPLACEMENT CHARACTER} and \N{REPLACEMENT CHARACTER}override" in hostile_report.text
    assert "49" not in re.findall(r"<bdi>(.*?)</bdi>", hostile_report.html)
    assert "img" not in {tag for tag, _ in hostile_report.elements}
    assert [tag for tag, _ in hostile_report.elements].count("script") == 2
    assert "alert(1)" not in "".join(re.findall(r"<script>.*?</script>", hostile_report.html, re.DOTALL))


def test_names_that_nobody_reads_to_the_end_are_cut(hostile_report):
    assert f"{'long' * 29}lon…" in hostile_report.text
    assert "long" * 30 not in hostile_report.html


def test_what_is_looked_up_is_a_setting_and_may_be_unknown(hostile_report):
    assert "<i>nobody</i> is unknown to this run" in hostile_report.text
    headings = [tag for tag, _ in hostile_report.elements].count("h4")
    assert headings == 3


# Its task -------------------------------------------------------------------------------------------------------------


def test_a_run_that_fails_its_gates_has_a_report(published, command, read_report, tmp_path):
    root = tmp_path / "runs"
    shutil.copytree(published.root, root)
    arguments = ["--set", f"run.root={root}", "--set", "gates.min_against_popularity=1000"]
    result = command("cfpipe", "run", published.config, *arguments)
    assert result.returncode == 4
    path = re.search(r"Look at (\S+report\.html)", result.stderr)[1]
    failed = read_report(root.parent / path)
    assert "Not published: 1 of 12 gates failed." in failed.text
    assert re.search(r"ndcg@20 against popularity [\d.]+ [\d.]+ failed", failed.text)
    assert pipeline.open_run(root).content == pipeline.open_run(published.root).content


def test_a_run_that_failed_and_would_pass_now_gets_another_report(published, command, read_report, tmp_path):
    root = tmp_path / "runs"
    shutil.copytree(published.root, root)
    (tmp_path / "some.csv").write_text("user\n" + "\n".join(map(str, range(1000, 1100))))
    users = f"{{ path = '{tmp_path}/some.csv', id = 'user' }}"
    # Fewer rows than the published run has, and none may be lost.
    settings = [f"run.root={root}", f"tables.tracks_for_users.users={users}", "gates.max_fall=0.0"]
    arguments = ["run", published.config, *(each for setting in settings for each in ("--set", setting))]
    failed = command("cfpipe", *arguments)
    assert failed.returncode == 4, failed.stderr
    path = root.parent / re.search(r"Look at (\S+report\.html)", failed.stderr)[1]
    assert "Not published" in read_report(path).text
    (root / "current.json").unlink()
    shutil.rmtree(root / "runs")
    assert command("cfpipe", *arguments).returncode == 0
    assert "gates passed." in read_report(path).text


@pytest.fixture
def task(published):
    """The task of the small project's report."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Luigi's, at its import
        from pipeline.tasks import WriteReport
    date = pipeline.open_run(published.root).date
    return WriteReport.from_str_params({"date": date, "config": str(published.config)})


def test_luigi_links_to_it(task, monkeypatch):
    told = []
    monkeypatch.setattr(task, "set_tracking_url", told.append, raising=False)
    task.make(no_progress)
    assert told == [task.report_path().resolve().as_uri()]
    assert told[0].startswith("file:///")


def test_the_same_run_gives_the_same_report(task):
    from pipeline.report.write import report_html

    assert report_html(task.subject(), no_progress) == report_html(task.subject(), no_progress)


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ("report.map_items=50", {"DrawMap track", "DrawMap artist", "WriteReport", "PublishRun"}),
        ("report.lookups={ artist = [3] }", {"WriteReport", "PublishRun"}),
        ("gates.min_coverage=0.4", {"CheckRun", "WriteReport", "PublishRun"}),
    ],
)
def test_settings_of_the_report_touch_nothing_else(published, command, setting, changed):
    result = command("cfpipe", "plan", published.config, "--json", "--set", setting)
    assert {step["name"] for step in json.loads(result.stdout)["steps"] if not step["done"]} == changed
