"""The configuration a study ends with."""

from __future__ import annotations

import tomllib

import pytest

from pipeline.errors import ConfigError
from pipeline.tuning.tuned import check_output, tuned_toml

ORIGINAL = """\
# A pipeline.
[run]
root = "${ROOM}/runs"  # where it goes

[factorize]  # the model
model = "als"
alpha = 3.0  # by hand
old = 1

[[tables]]
name = "similar"
from = "item"
to = "item"
"""
SECTIONS = {"factorize": {"model": "als", "alpha": 12.5, "factors": 64}, "weighting": {"confidence": "log1p"}}


def test_only_the_two_sections_change():
    text = tuned_toml(ORIGINAL, [], SECTIONS, [" from a.toml: how", "and how good"])
    assert text.startswith("# Written by cfpipe tune from a.toml: how\n# and how good\n\n# A pipeline.\n")
    for kept in ('root = "${ROOM}/runs"  # where it goes', "[factorize]  # the model", "alpha = 12.5  # by hand"):
        assert kept in text
    before, after = tomllib.loads(ORIGINAL), tomllib.loads(text)
    assert after == before | SECTIONS


def test_a_tuned_configuration_can_be_tuned_again():
    once = tuned_toml(ORIGINAL, [], SECTIONS, [" from a.toml"])
    again = tuned_toml(once, [], SECTIONS, [" from b.toml"])
    assert again == once.replace("a.toml", "b.toml")


def test_overrides_of_the_command_are_part_of_it():
    overrides = ["run.seed=4", "tables.similar.k=7", "gates.metric='recall@5'"]
    after = tomllib.loads(tuned_toml(ORIGINAL, overrides, SECTIONS, [""]))
    assert after["run"] == {"root": "${ROOM}/runs", "seed": 4}
    assert after["tables"][0]["k"] == 7
    assert after["gates"] == {"metric": "recall@5"}


@pytest.mark.parametrize("original", ['factorize = { model = "als", alpha = 2.0 }\n', "factorize.alpha = 2.0\n", ""])
def test_sections_may_be_written_in_any_way(original):
    assert tomllib.loads(tuned_toml(original, [], SECTIONS, [""])) == SECTIONS


def test_nobody_elses_file_is_written_over(tmp_path):
    config, output = tmp_path / "a.toml", tmp_path / "b.toml"
    config.write_text(ORIGINAL)
    check_output(output, config)
    output.write_text(tuned_toml(ORIGINAL, [], SECTIONS, [""]))
    check_output(output, config)
    output.write_text(ORIGINAL)
    with pytest.raises(ConfigError, match="is no file of cfpipe tune"):
        check_output(output, config)
    with pytest.raises(ConfigError, match="another file than the configuration"):
        check_output(config, config)
    with pytest.raises(ConfigError, match="expected a folder"):
        check_output(tmp_path / "absent" / "b.toml", config)
