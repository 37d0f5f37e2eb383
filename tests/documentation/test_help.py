"""Every command says what it does, and what each of its arguments and options means."""

from __future__ import annotations

import argparse
import warnings
from importlib import import_module

import pytest
import typer

from annlib import cli as annlib_cli

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of Luigi, about a setting of its own
    from pipeline.cli import app

CFPIPE = typer.main.get_command(app).commands


@pytest.mark.parametrize("name", sorted(CFPIPE))
def test_cfpipe_explains_every_parameter(name):
    command = CFPIPE[name]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"cfpipe {name}: {parameter.name}"


@pytest.mark.parametrize("name", sorted(annlib_cli._COMMANDS))
def test_annlib_explains_every_parameter(name):
    module, about = annlib_cli._COMMANDS[name]
    assert about
    parser = argparse.ArgumentParser()
    import_module(module).add_arguments(parser)
    for action in parser._actions:
        assert action.help, f"annlib {name}: {action.dest}"
