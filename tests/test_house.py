"""The house: what stands at the top level, and which way imports go."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TOP_LEVEL = {"pyproject.toml", "README.md", "pipeline", "annlib", "native", "tests", "configs"}
FOR_TOOLS = {"LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"}

#: What each part of the pipeline may import of the others, beside config, errors, extras and progress.
BELOW = {
    "factors": set(),
    "config": {"factors"},
    "errors": set(),
    "extras": set(),
    "progress": set(),
    "store": set(),
    "lock": set(),
    "data": {"factors"},
    "tables": {"data", "store"},
    "evaluation": {"data", "factors", "store"},
    "names": {"data"},
    "maps": {"data"},
    "measuring": set(),
    "reporting": set(),
    "report": {"data", "evaluation", "factors", "names", "published", "tables"},
    "steps": {"data", "store", "lock", "measuring", "reporting"},
    "tasks": {
        *("data", "evaluation", "factors", "maps", "names", "published", "report", "reporting", "steps", "store"),
        *("tables", "trials"),
    },
    "fold_in": {"data", "factors", "names"},
    "explain": {"data", "factors", "fold_in"},
    "published": {"data", "factors", "fold_in", "names", "store", "tables"},
    "recommend": {"data", "published", "tables"},
    "lookup": {"explain", "fold_in", "names", "published", "recommend", "store", "tables"},
    "plan": {"data", "evaluation", "factors", "tables", "steps", "tasks", "reporting"},
    "summary": {"explain", "factors", "lookup", "plan", "tasks"},
    "docs": {"evaluation", "factors"},
    "compare": {"data", "evaluation", "published", "store", "summary", "tables"},
    "trials": {"data", "evaluation", "factors"},
    "tuning": {"data", "factors", "lock", "steps", "store", "tasks", "trials"},
    "operations": {"lock", "store"},
    "export": {"published", "store", "tables"},
    "draft": {"data"},
    "serve": {"data", "explain", "factors", "fold_in", "lookup", "names", "published", "store"},
    "cli": {
        *("compare", "docs", "export", "lock", "lookup", "operations", "plan", "reporting", "serve", "steps", "store"),
        *("draft", "published", "summary", "tasks", "tuning"),
    },
}
EVERYONES = {"errors", "extras", "progress"}

#: What parts of annlib need beside NumPy: installed by the distribution or its extras, never imported with annlib.
OPTIONAL = {
    "vectors/parquet.py": {"pyarrow"},
    "vectors/hdf5.py": {"h5py"},
    "compat/implicit.py": {"implicit", "scipy"},
    "compat/_sklearn_base.py": {"scipy", "sklearn"},
    "compat/sklearn.py": {"scipy", "sklearn"},
    "examples": {"implicit", "matplotlib", "scipy", "sklearn"},
}


def imported(path: Path) -> set[str]:
    """Full names of the modules a file imports, also for type checking only and inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def test_the_top_level(repository):
    listed = subprocess.run(["git", "ls-files"], cwd=repository, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    names = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert names >= TOP_LEVEL
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL | FOR_TOOLS


def test_annlib_knows_nothing_of_the_pipeline_and_its_core_depends_on_numpy_alone(repository):
    annlib = repository / "annlib"
    core = set(sys.stdlib_module_names) | {"annlib", "numpy"}
    for path in annlib.rglob("*.py"):
        place = path.relative_to(annlib).as_posix()
        optional = OPTIONAL.get(place, OPTIONAL.get(place.split("/")[0], set()))
        assert {name.split(".")[0] for name in imported(path)} <= core | optional, path


def test_importing_annlib_imports_nothing_but_numpy(tmp_path):
    optional = sorted(set().union(*OPTIONAL.values()))
    script = f"import sys, annlib, annlib.cli; print([name for name in {optional} if name in sys.modules])"
    # Elsewhere: the source tree has an annlib that is not built.
    shown = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_native_code_meets_python_in_its_bindings_only(repository):
    for path in (repository / "native").rglob("*"):
        if path.suffix in {".cpp", ".hpp", ".inl"} and "bindings" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert "pybind11" not in text, path
            assert "Python.h" not in text, path


def test_only_annlib_imports_the_native_module(repository):
    for path in (repository / "pipeline").rglob("*.py"):
        assert not any(name.startswith("annlib._") for name in imported(path)), path


@pytest.mark.parametrize("part", sorted(BELOW))
def test_the_pipeline_imports_downwards(repository, part):
    folder = repository / "pipeline" / part
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    allowed = BELOW[part] | EVERYONES | {part} | ({"config"} if part != "factors" else set())
    for path in files:
        used = {name.split(".")[1] for name in imported(path) if name.startswith("pipeline.")}
        assert used <= allowed, path


def test_every_part_of_the_pipeline_has_its_place(repository):
    parts = {path.stem for path in (repository / "pipeline").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert parts - {"__init__", "__pycache__"} == set(BELOW)


def test_the_source_tree_does_not_shadow_the_installed_package(repository):
    import annlib._native

    assert str(repository) not in sys.path
    assert Path(annlib._native.__file__).suffix == ".so"
