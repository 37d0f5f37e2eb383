"""Entity types with vectors from files: runs of them alone, and beside those of interactions."""

from __future__ import annotations

import json
import shutil
import signal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import annlib
import pipeline
from annlib import exact
from pipeline.errors import ConfigError, UnknownNameError

N_WORDS, DIM = 400, 12

WORDS_CONFIG = """
[run]
name = "words"
root = "{folder}/runs"
date = 2026-01-31

[entities.word]
vectors = {{ path = "{folder}/words.txt" }}
space = "glove"

[entities.phrase]
vectors = {{ path = "{folder}/phrases.npy" }}
space = "glove"
names = {{ path = "{folder}/phrases.csv", id = "id", name = "text" }}

[[tables]]
name = "similar_words"
from = "word"
to = "word"
k = 7

[[tables]]
name = "phrases_for_words"
from = "word"
to = "phrase"
metric = "inner_product"
k = 3
"""


def write_words(path, *, seed=0, n_words=N_WORDS, dim=DIM):
    """Words in an order that is not that of their bytes."""
    rng = np.random.default_rng(seed)
    words = [f"wörd{number}" for number in rng.permutation(n_words)]
    vectors = rng.normal(size=(n_words, dim)).astype(np.float32)
    lines = [" ".join([word, *map(str, vector.tolist())]) for word, vector in zip(words, vectors, strict=True)]
    path.write_text("\n".join([f"{n_words} {dim}", *lines, ""]), encoding="utf-8")
    return dict(zip(words, vectors, strict=True))


@pytest.fixture(scope="module")
def word_data(tmp_path_factory):
    """The files of words and phrases, and the words' vectors as they were written."""
    folder = tmp_path_factory.mktemp("words")
    vectors = write_words(folder / "words.txt")
    np.save(folder / "phrases.npy", np.random.default_rng(1).normal(size=(50, DIM)).astype(np.float32))
    phrases = [f"{number},the phrase {number}" for number in range(50)]
    (folder / "phrases.csv").write_text("\n".join(["id,text", *phrases, ""]))
    return folder, vectors


@pytest.fixture
def words(tmp_path, word_data, published):
    """A project of words and phrases of a test's own, not run yet."""
    return new_project(tmp_path, word_data, published)


@pytest.fixture(scope="module")
def words_published(tmp_path_factory, word_data, published, command):
    """A project of words and phrases that was run once; not to be changed."""
    project = new_project(tmp_path_factory.mktemp("words_published"), word_data, published)
    result = command("cfpipe", "run", project.config)
    assert result.returncode == 0, result.stderr
    return project, result.stdout


def new_project(folder, word_data, published):
    shutil.copytree(word_data[0], folder, dirs_exist_ok=True)
    (folder / "config.toml").write_text(WORDS_CONFIG.format(folder=folder))
    return type(published)(folder)


def read(folder):
    return pa.concat_tables(pq.read_table(part) for part in sorted(folder.glob("part-*.parquet")))


def todo(command, project, *overrides):
    """The steps that a run would make."""
    arguments = [argument for override in overrides for argument in ("--set", override)]
    result = command("cfpipe", "plan", project.config, "--json", *arguments)
    assert result.returncode == 0, result.stderr
    return {step["name"] for step in json.loads(result.stdout)["steps"] if not step["done"]}


# Nothing but files ----------------------------------------------------------------------------------------------------


def test_a_run_of_files_alone_publishes_its_tables(words_published):
    project, output = words_published
    for expected in ("is published", "similar_words", "Similar words", "Similar phrases", "the phrase 0"):
        assert expected in output
    assert "popularity" not in output
    run = pipeline.open_run(project.root)
    assert run.entities == ["phrase", "word"]
    assert sorted(run.tables) == ["phrases_for_words", "similar_words"]
    assert sorted(run.content["indexes"]) == ["phrase.cosine", "phrase.inner_product", "word.cosine"]
    assert not {"encoded", "evaluation", "item_entity"} & set(run.content)
    assert not {"encoded", "factors", "split", "evaluation"} & {path.name for path in project.root.iterdir()}


def test_tables_are_the_oracles(words_published, word_data):
    """The whole tables against the definition of a score, from the vectors as they were written."""
    run = pipeline.open_run(words_published[0].root)
    ids = sorted(word_data[1], key=str.encode)
    vectors = np.stack([word_data[1][word] for word in ids])
    rows, scores = exact.search(vectors, vectors, 7, metric="cosine", exclude=[[row] for row in range(len(ids))])
    table = read(run.tables["similar_words"])
    assert table["target_item_id"].to_pylist() == [word for word in ids for _ in range(7)]
    assert table["item_id"].to_pylist() == [ids[row] for row in rows.ravel()]
    assert table["score"].to_numpy().tobytes() == scores.astype(np.float32).tobytes()
    assert table["rank"].to_pylist() == [*range(1, 8)] * len(ids)
    phrases = np.load(words_published[0].folder / "phrases.npy")
    rows, scores = exact.search(phrases, vectors, 3, metric="inner_product")
    table = read(run.tables["phrases_for_words"])
    assert (table.schema.field("target_item_id").type, table.schema.field("item_id").type) == (pa.string(), pa.int64())
    assert table["item_id"].to_pylist() == rows.ravel().tolist()
    assert table["score"].to_numpy().tobytes() == scores.astype(np.float32).tobytes()


def test_manifests_say_what_was_read(words_published):
    run = pipeline.open_run(words_published[0].root)
    manifest = run.manifest("phrases_for_words")
    assert manifest["neighbor_recall"] == 1.0
    assert manifest["sources"] == {"wanted": N_WORDS, "with_rows": N_WORDS, "without_rows": 0, "short_lists": 0}
    assert manifest["inputs"]["word"] == {
        "vectors_read": N_WORDS,
        "vectors": N_WORDS,
        "dimensions": DIM,
        "zero_vectors": 0,
    }
    assert manifest["inputs"]["phrase"]["names"]["ids_without"] == 0
    assert {"table", "vectors", "targets", "index"} <= set(manifest["fingerprints"])
    gates = json.loads((run.root / run.content["checks"]).read_text())["gates"]
    assert {gate["name"].split(" of ")[0] for gate in gates} == {"rows", "coverage", "neighbor recall"}


def test_words_are_looked_up(words_published, command):
    project, _ = words_published
    run = pipeline.open_run(project.root)
    nearest = read(run.tables["similar_words"]).filter(pa.compute.field("target_item_id") == "wörd17")
    neighbors = run.similar("word", "wörd17", k=7)
    assert [neighbor.id for neighbor in neighbors] == nearest["item_id"].to_pylist()
    result = command("cfpipe", "similar", project.config, "phrase", "The  PHRASE 3", "-k", "4", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert [neighbor["name"] for neighbor in found] == [f"the phrase {neighbor['id']}" for neighbor in found]
    assert 3 not in {neighbor["id"] for neighbor in found}
    with pytest.raises(UnknownNameError, match=r"no word has the name or id 'wörd1777'\nClosest: 'wörd177'"):
        run.similar("word", "wörd1777")


def test_there_is_nobody_to_recommend_to(words_published, command):
    project, _ = words_published
    result = command("cfpipe", "recommend", project.config, "1")
    assert result.returncode == 2
    assert "the run has no interactions" in result.stderr
    with pytest.raises(ConfigError, match="the run has no interactions"):
        _ = pipeline.open_run(project.root).evaluation


def test_indexes_hold_words_and_names(words_published):
    run = pipeline.open_run(words_published[0].root)
    assert "wörd17" in annlib.Index.open(run.root / run.content["indexes"]["word.cosine"]).ids
    assert run.index("phrase", "cosine").names[3] == "the phrase 3"


def test_nothing_is_made_twice_and_plan_knows_what_a_change_touches(words_published, command):
    project, _ = words_published
    assert todo(command, project) == set()
    published = {"CheckRun", "WriteReport", "PublishRun"}
    assert todo(command, project, "tables.similar_words.k=3") == {"WriteTable similar_words", *published}
    assert todo(command, project, "entities.word.vectors.format=word2vec-text") == {
        "ImportVectors word",
        "BuildIndex word cosine",
        "DrawMap word",
        "IndexNames word",
        "WriteTable similar_words",
        "WriteTable phrases_for_words",
        *published,
    }
    shared = ("entities.word.space=other", "entities.phrase.space=other")
    assert todo(command, project, *shared) == set()


def test_plan_estimates_memory_before_anything_is_read(words, command):
    result = command("cfpipe", "plan", words.config, "--json")
    steps = {step["name"]: step["memory_bytes"] for step in json.loads(result.stdout)["steps"]}
    assert next(iter(steps)).startswith("ImportVectors")
    assert list(steps)[-1] == "PublishRun"
    assert all(memory > 0 for memory in steps.values())
    fewer = command("cfpipe", "plan", words.config, "--json", "--set", "report.map_items=10")
    of_fewer = {step["name"]: step["memory_bytes"] for step in json.loads(fewer.stdout)["steps"]}
    assert {name for name in steps if steps[name] > of_fewer[name]} == {"DrawMap phrase", "DrawMap word"}
    assert not words.root.exists()


def test_a_changed_file_reruns_what_depends_on_it(words, command):
    assert command("cfpipe", "run", words.config).returncode == 0
    first = pipeline.open_run(words.root).content
    before = set(words.files())
    np.save(words.folder / "phrases.npy", np.random.default_rng(2).normal(size=(50, DIM)).astype(np.float32))
    result = command("cfpipe", "run", words.config)
    assert result.returncode == 0, result.stderr
    second = pipeline.open_run(words.root).content
    assert second["run"] != first["run"]
    for part, name in (("tables", "similar_words"), ("indexes", "word.cosine"), ("vectors", "word")):
        assert second[part][name] == first[part][name]
    for part, name in (("tables", "phrases_for_words"), ("indexes", "phrase.cosine"), ("vectors", "phrase")):
        assert second[part][name] != first[part][name]
    assert before < set(words.files())


def test_luigis_command_does_what_cfpipe_run_does(words, words_published, command, repository):
    env = {"LUIGI_CONFIG_PARSER": "toml", "LUIGI_CONFIG_PATH": str(repository / "configs" / "luigi.toml")}
    task = ["--module", "pipeline.tasks", "cfpipe.PublishRun", "--config", words.config, "--date", "2026-01-31"]
    result = command("luigi", *task, "--local-scheduler", "--workers", "2", env=env)
    assert result.returncode == 0, result.stderr
    assert "This progress looks :)" in result.stderr
    mine, published = words.files(), words_published[0].files()
    # The inputs are copies with times of their own, so fingerprints differ, and with them paths.
    assert sorted(content for path, content in mine.items() if path.endswith((".npy", ".ann", ".parquet"))) != []
    for ending in (".npy", ".ann"):
        assert sorted(c for p, c in mine.items() if p.endswith(ending)) == sorted(
            c for p, c in published.items() if p.endswith(ending)
        )
    (words.folder / "words.txt").unlink()
    missing = command("luigi", *task, "--local-scheduler", env=env)
    assert missing.returncode == 20, missing.stderr


def test_recall_below_one_is_calibrated_across_entity_types(words, command):
    result = command("cfpipe", "run", words.config, "--set", "tables.phrases_for_words.recall=0.9")
    assert result.returncode == 0, result.stderr
    assert pipeline.open_run(words.root).manifest("phrases_for_words")["parameters"]["recall"] == 0.9


@pytest.mark.parametrize("stage", ["ImportVectors word: started", "WriteTable"])
def test_a_killed_run_leaves_what_was_published(words_published, tmp_path, command, start_command, stage):
    shutil.copytree(words_published[0].folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.toml").write_text(WORDS_CONFIG.format(folder=tmp_path))
    project = type(words_published[0])(tmp_path)
    first = pipeline.open_run(project.root)
    write_words(project.folder / "words.txt", seed=5)
    victim = start_command("cfpipe", "run", project.config, cwd=tmp_path)
    lines = []
    for line in victim.stdout:
        lines.append(line)
        if line.startswith(stage):
            break
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert lines[-1].startswith(stage), lines
    left = pipeline.open_run(project.root)
    assert left.content == first.content
    assert read(left.tables["similar_words"]).num_rows == N_WORDS * 7
    assert left.similar("word", "wörd17", k=2)
    result = command("cfpipe", "run", project.config)
    assert result.returncode == 0, result.stderr
    assert pipeline.open_run(project.root).content["run"] != first.content["run"]
    assert list(project.root.rglob(".tmp-*")) == []


@pytest.mark.parametrize(
    ("name", "content", "overrides", "code", "messages"),
    [
        ("words.txt", None, [], 3, ["no such input", "words.txt"]),
        ("words.txt", "1 2\na 1 inf\n", [], 6, ["words.txt: line 2", "inf"]),
        (
            "words.txt",
            "2 2\na 1 2\nb 3 4\n",
            [],
            6,
            ["2 dimensions for word and 12 for phrase", "entities.word or entities.phrase"],
        ),
        (None, None, ["entities.word.space=mine"], 2, ["'word' in the space 'mine'", "'phrase' in the space 'glove'"]),
        (None, None, ["entities.word.vectors.dataset=train"], 2, ["words.txt: dataset", "Check the settings"]),
        (None, None, ["gates.min_rows=100000"], 4, ["is not published", "gates.min_rows"]),
    ],
)
def test_errors_have_a_message_and_a_code_of_their_own(words, command, name, content, overrides, code, messages):
    if content is not None:
        (words.folder / name).write_text(content, encoding="utf-8")
    elif name is not None:
        (words.folder / name).unlink()
    arguments = [argument for override in overrides for argument in ("--set", override)]
    result = command("cfpipe", "run", words.config, *arguments)
    assert result.returncode == code, result.stderr
    for message in messages:
        assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (words.root / "current.json").exists()


# Beside interactions ------------------------------------------------------------------------------------------------


def add_words(project):
    write_words(project.folder / "words.txt")
    with project.config.open("a") as file:
        file.write(
            f'\n[entities.word]\nvectors = {{ path = "{project.folder}/words.txt" }}\n'
            '\n[[tables]]\nname = "similar_words"\nfrom = "word"\nto = "word"\nk = 4\n'
        )


def test_words_beside_interactions_touch_nothing_of_theirs(project, command):
    assert command("cfpipe", "run", project.config).returncode == 0
    alone, before = pipeline.open_run(project.root).content, project.files()
    add_words(project)
    lookups = {"BuildIndex word cosine", "DrawMap word", "IndexNames word"}
    added = {"ImportVectors word", *lookups, "WriteTable similar_words", "CheckRun", "WriteReport", "PublishRun"}
    assert todo(command, project) == added
    result = command("cfpipe", "run", project.config)
    assert result.returncode == 0, result.stderr
    for expected in ("popularity", "Similar artists", "Similar words"):
        assert expected in result.stdout
    run = pipeline.open_run(project.root)
    assert run.entities == ["artist", "track", "user", "word"]
    for part in ("tables", "indexes", "vectors"):
        assert alone[part].items() <= run.content[part].items()
    assert run.content["evaluation"] == alone["evaluation"]
    after = project.files()
    assert all(after[path] == content for path, content in before.items() if path != "current.json")
    assert run.similar("word", "wörd17", k=3)
    assert run.similar("artist", 3, k=3)
    assert run.recommend(1004, k=3)
    with pytest.raises(ConfigError, match="word cannot be recommended: its vectors come from a file"):
        run.recommend(1004, entity="word")
    gates = json.loads((run.root / run.content["checks"]).read_text())["gates"]
    assert {"rows of similar_words", "ndcg@20 against popularity"} <= {gate["name"] for gate in gates}
    write_words(project.folder / "words.txt", seed=3)
    assert todo(command, project) == added


def test_spaces_are_not_mixed(project, command):
    add_words(project)
    result = command("cfpipe", "run", project.config, "--set", "tables.similar_words.to=artist")
    assert result.returncode == 2
    assert "'word' in a space of word alone and 'artist' in the space of the interactions" in result.stderr


def test_quality_is_no_longer_compared_where_interactions_are_gone(project, command):
    add_words(project)
    assert command("cfpipe", "run", project.config).returncode == 0
    text = project.config.read_text()
    words = text[text.index("[entities.word]") :]
    project.config.write_text(f'[run]\nroot = "{project.root}"\ndate = 2026-02-01\n{words}')
    result = command("cfpipe", "run", project.config)
    assert result.returncode == 0, result.stderr
    run = pipeline.open_run(project.root)
    assert run.entities == ["word"]
    assert run.date == "2026-02-01"
