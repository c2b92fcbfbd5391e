"""Imports point one way, and the command line starts without its engines."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import xproj

PACKAGE = Path(xproj.__file__).parent
LAYERS = [
    {"errors"},
    {"columns", "languages", "fingerprints", "processes"},
    {"schema", "recipe", "backends", "identification"},
    {"core", "rows", "solution"},
    {"evidence", "sides"},
    {"store", "corpus_counts", "problems"},
    {"corpora", "encoders", "lower_case", "span_scores"},
    {"training", "weighing"},
    {"aligners", "evaluation", "projection", "taggers", "translators"},
    {"scorers", "refinement", "distillation", "precedents"},
    {"stages"},
    {"planning", "tables"},
    {"pipeline"},
    {"analysis", "ensembling", "inspection", "plain", "scoring", "executors", "voting"},
    {"console", "doctor", "starter"},
    {"commands", "commands_corpora"},
    {"cli_options", "commands_stages"},
    {"cli_stages", "cli_corpora"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def top(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The top modules of xproj that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "xproj" else {node.module}
            )
    return {name.split(".")[1] for name in names if name.startswith("xproj.")} - {"__version__"}


def test_every_module_has_a_layer():
    assert {top(path) for path in MODULES} == set(LEVEL)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    here = top(path)
    wrong = {name for name in imported(path) if name != here and LEVEL[name] >= LEVEL[here]}
    assert not wrong, f"{path.name} is in layer {LEVEL[here]} and imports {wrong}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").glob("*.py")), ids=lambda p: p.name)
def test_core_is_pure(path):
    """No files, models or tables of Arrow below core; arrays only by way of columns."""
    roots = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            roots.add(node.module.partition(".")[0])
    assert not roots & {"torch", "pathlib", "io", "transformers", "ray"}


def test_the_command_line_is_light():
    heavy = "torch", "spacy", "numba", "ray", "scipy", "pyarrow", "numpy", "pydantic"
    code = f"import sys, xproj.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_docs_show_the_layers():
    design = (PACKAGE.parent / "docs" / "design.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ((?:`\w+`(?:, )?)+) \|", design, re.MULTILINE)
    assert {int(level): set(re.findall(r"\w+", names)) for level, names in rows} == dict(enumerate(LAYERS))
