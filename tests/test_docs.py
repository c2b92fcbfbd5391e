"""The documentation keeps up: links resolve, and every key, column and command is described.

`python tests/test_docs.py` writes the recipe tables of docs/design.md anew from the models.
"""

import re
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
import typer

from xproj.cli import app
from xproj.recipe import PATH_KEYS, TABLES, Recipe
from xproj.recipe.table import tables_in
from xproj.schema import COLUMNS, DROP_REASONS, STATUSES
from xproj.starter import toml

ROOT = Path(__file__).parent.parent
DESIGN = ROOT / "docs" / "design.md"
BEGIN, END = "<!-- recipe tables: python tests/test_docs.py -->\n", "<!-- end of recipe tables -->\n"
NOT_OURS = {"runs", "build", "dist", "node_modules", "venv"}
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part in NOT_OURS or part.startswith(".") for part in page.relative_to(ROOT).parts)
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
COMMANDS = typer.main.get_command(app).commands


def prose(page):
    """The text of a page without its code."""
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page):
    """The anchors of the headings of a page, as GitHub makes them."""
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def value_of(annotation, metadata, path):
    """What may stand for a key, in words."""
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_args(annotation) and type(None) in get_args(annotation):
        return value_of(next(a for a in get_args(annotation) if a is not type(None)), metadata, path)
    if get_origin(annotation) is None:
        if tables_in(annotation):
            return "table"
        signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
        limits = [f"{sign} {getattr(m, key)}" for m in metadata for key, sign in signs.items() if hasattr(m, key)]
        names = {bool: "true or false", int: "integer", float: "number", str: "path" if path else "string"}
        return " ".join([names[annotation], ", ".join(limits)]).strip()
    kinds = {dict: "table of {1}s", tuple: "list of {0}s"}
    if get_origin(annotation) in kinds:
        names = [
            {str: "string", int: "integer", float: "number"}.get(a, "string" if get_origin(a) is Literal else "table")
            for a in get_args(annotation)
        ]
        return kinds[get_origin(annotation)].format(*names)
    return "; or a ".join(value_of(a, metadata, path) for a in get_args(annotation))


def rows(model, table=None):
    """The lines of one table of keys."""
    lines = ["| key | default | value | meaning |", "|---|---|---|---|"]
    for key, field in model.model_fields.items():
        if table is None and key in TABLES:
            continue
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        shown = "**required**" if field.is_required() else "none" if default is None else f"`{toml(default)}`"
        value = value_of(field.annotation, field.metadata, key in PATH_KEYS.get(table, ()))
        lines.append(f"| `{key}` | {shown} | {value} | {field.description} |")
    return lines


def recipe_tables():
    """The part of docs/design.md that describes the recipe."""
    lines = ["### Top level", "", *rows(Recipe), ""]
    for name, model in TABLES.items():
        field = Recipe.model_fields[name]
        need = " Required." if field.is_required() else " Optional." if field.default is None else ""
        lines += [f"### `[{name}]`", "", f"{model.__doc__}{need}", "", *rows(model, name), "", *inner(model, name)]
    return "\n".join(lines)


def inner(model, name):
    """The tables inside a table, each with its keys."""
    lines = []
    for key, field in model.model_fields.items():
        many = "dict" in str(field.annotation)
        for table in tables_in(field.annotation):
            title = f"{name}.{key}{'.NAME' * many}"
            lines += [f"#### `[{title}]`", "", table.__doc__, "", *rows(table, title), "", *inner(table, title)]
    return lines


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_resolve(page):
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link} leaves the repository"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_the_recipe_is_described_as_it_is():
    text = DESIGN.read_text(encoding="utf-8")
    written = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    assert written == recipe_tables().strip().splitlines(), "run `python tests/test_docs.py`"


@pytest.mark.parametrize("table", TABLES)
def test_every_key_of_a_recipe_is_described(table):
    text = DESIGN.read_text(encoding="utf-8").partition(f"### `[{table}]`")[2].partition("\n#")[0]
    described = set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE))
    assert described == set(TABLES[table].model_fields)


def test_every_column_status_and_reason_is_described():
    text = DESIGN.read_text(encoding="utf-8")
    assert not [name for name in (*COLUMNS, *STATUSES, *DROP_REASONS) if f"`{name}`" not in text]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_is_mentioned(name):
    assert (COMMANDS[name].help or "").strip()
    assert not [p.name for p in COMMANDS[name].params if p.param_type_name == "option" and not p.help]
    text = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "README.md", DESIGN))
    assert re.search(rf"\bxproj {name}\b", text)


if __name__ == "__main__":
    head, _, rest = DESIGN.read_text(encoding="utf-8").partition(BEGIN)
    DESIGN.write_text(head + BEGIN + "\n" + recipe_tables() + "\n" + END + rest.partition(END)[2], encoding="utf-8")
