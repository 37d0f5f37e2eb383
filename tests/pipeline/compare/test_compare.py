from __future__ import annotations

import json
import shutil

import pytest

import pipeline
from pipeline.compare import compare_runs, find_run
from pipeline.errors import StoreError


@pytest.fixture(scope="session")
def two_runs(published, tmp_path_factory, command):
    """Two published runs of one date, the second with fewer factors and another table."""
    root = tmp_path_factory.mktemp("two") / "runs"
    shutil.copytree(published.root, root)
    overrides = [f'run.root="{root}"', "factorize.factors=3", "tables.tracks_for_users.k=8"]
    result = command("cfpipe", "run", published.config, *(part for each in overrides for part in ("--set", each)))
    assert result.returncode == 0, result.stderr
    return published, root


def test_measures_side_by_side_with_a_paired_test(two_runs):
    published, root = two_runs
    comparison = compare_runs(find_run(str(published.root)), find_run(str(root)))
    quality = comparison.quality
    assert quality.same_hold_out
    assert quality.users == quality.first_users == quality.second_users
    evaluations = [pipeline.open_run(path).evaluation["model"] for path in (published.root, root)]
    assert (quality.first, quality.second) == tuple(evaluations)
    difference = quality.differences["ndcg@20"]
    assert difference.mean == pytest.approx(evaluations[1]["ndcg@20"] - evaluations[0]["ndcg@20"], abs=1e-6)
    assert difference.low <= difference.mean <= difference.high
    assert 0 < difference.p_value <= 1
    assert "coverage@20" in quality.first
    assert "coverage@20" not in quality.differences
    assert [table.name for table in comparison.tables] == ["similar_artists", "tracks_for_users"]
    assert comparison.tables[1].overlap <= 0.8
    assert comparison.tables[1].movers


def test_a_run_with_itself(published):
    run = find_run(str(published.root))
    comparison = compare_runs(run, run)
    assert all(each.mean == 0 and each.p_value == 1 for each in comparison.quality.differences.values())
    assert all(table.overlap == 1 and table.movers == [] for table in comparison.tables)


def test_a_run_is_found_by_root_date_and_marker(two_runs):
    published, root = two_runs
    run = pipeline.open_run(published.root).content["run"]
    day = published.root / "runs" / "2026-01-31"
    for path in (published.root, day, day / run, day / f"{run}.json"):
        assert find_run(str(path)).content["run"] == run
    # The first run of two is found beside the published one.
    older = find_run(str(root / "runs" / "2026-01-31" / run))
    assert older.content["run"] == run != find_run(str(root)).content["run"]
    comparison = compare_runs(older, find_run(str(root)))
    assert comparison.runs[0]["root"] == comparison.runs[1]["root"] == str(root)
    with pytest.raises(StoreError, match=f"2026-01-31: expected one run, got .*{run}.json"):
        find_run(str(root / "runs" / "2026-01-31"))


@pytest.mark.parametrize("path", ["nowhere", "", "config.toml", "plays.csv"])
def test_what_is_no_run_is_a_clear_error(published, path):
    with pytest.raises(StoreError, match="expected a run, found none"):
        find_run(str(published.folder / path))


def test_other_hold_outs_and_users_of_one_run_alone(project, published, command):
    """The comparison is over the users of both, and says that the hold-outs differ."""
    lines = (project.folder / "plays.csv").read_text().splitlines()
    (project.folder / "plays.csv").write_text("\n".join(line for line in lines if not line.startswith("1000,")) + "\n")
    result = command("cfpipe", "run", project.config)
    assert result.returncode == 0, result.stderr
    quality = compare_runs(find_run(str(published.root)), find_run(str(project.root))).quality
    assert not quality.same_hold_out
    assert 0 < quality.users <= min(quality.first_users, quality.second_users)
    shown = command("cfpipe", "compare", published.root, project.root)
    assert "The hold-outs differ" in shown.stdout


def test_an_evaluation_without_measures_of_users_is_a_clear_error(published, tmp_path):
    root = tmp_path / "runs"
    shutil.copytree(published.root, root)
    for path in root.rglob("users.parquet"):
        path.unlink()
    with pytest.raises(StoreError, match="has no measures of each user"):
        compare_runs(find_run(str(root)), find_run(str(root)))


def test_the_command(two_runs, command):
    published, root = two_runs
    result = command("cfpipe", "compare", published.root, root)
    assert result.returncode == 0, result.stderr
    for expected in ("ndcg@20", "95 % interval", "similar_artists", "overlap", "Largest movers", '"Weird" Artist'):
        assert expected in result.stdout
    document = json.loads(command("cfpipe", "compare", published.root, root, "--json").stdout)
    assert document["quality"]["differences"]["ndcg@20"].keys() == {"mean", "low", "high", "p_value"}
    assert document["tables"][0]["movers"][0].keys() == {"id", "name", "first_lists", "second_lists"}
    failed = command("cfpipe", "compare", published.root, root.parent / "nowhere")
    assert failed.returncode != 0
    assert "expected a run, found none" in failed.stderr
