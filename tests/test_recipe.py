"""Recipes: loading, overriding, refusing, and the starters."""

from typing import get_args

import pytest

from xproj import recipe
from xproj.errors import RecipeError
from xproj.recipe import TABLES, Route
from xproj.recipe.alignment import OF_STAGE, READ_BY
from xproj.starter import starter, toml

MINIMAL = 'language = "swh_Latn"\n[ingest]\npath = "x.conll"\n'


def load(tmp_path, text=MINIMAL, overrides=(), language=None):
    path = tmp_path / "r.toml"
    path.write_text(text)
    return recipe.load(path, list(overrides), language)


def test_defaults_and_absolute_paths(tmp_path):
    made = load(tmp_path)
    assert made.ingest.path == str(tmp_path / "x.conll")
    assert made.align.aligner == "statistical" and made.train is None


@pytest.mark.parametrize("code", ["sw", "swa", "swh", "SWH_latn"])
def test_any_known_code_becomes_the_nllb_code(tmp_path, code):
    made = load(tmp_path, MINIMAL.replace("x.conll", "{language}/x.conll"), language=code)
    assert made.language == "swh_Latn"
    assert made.ingest.path == str(tmp_path / "swh_Latn" / "x.conll")


def test_overrides_are_toml_or_bare_words(tmp_path):
    overrides = ["project.solver=greedy", "align.threshold=0.3", 'ingest.labels={DATE = "O"}', "route=translate-train"]
    made = load(tmp_path, overrides=overrides)
    assert made.project.solver == "greedy" and made.align.threshold == 0.3
    assert made.ingest.labels == {"DATE": "O"} and made.route == "translate-train"


def test_a_model_that_is_no_folder_stays_a_name(tmp_path):
    text = MINIMAL + '[tag]\nmodel = "en_core_web_sm"\n'
    assert load(tmp_path, text).tag.model == "en_core_web_sm"
    (tmp_path / "en_core_web_sm").mkdir()
    assert load(tmp_path, text).tag.model == str(tmp_path / "en_core_web_sm")


@pytest.mark.parametrize(
    ("text", "overrides", "words"),
    [
        ("[ingest]\npaht = 'x'", (), "did you mean 'path'"),
        (MINIMAL + "[algin]\naligner = 'x'", (), "align"),
        (MINIMAL + "[algin]\naligner = 'x'", (), "r.toml: top level: unknown key 'algin'; did you mean 'align' or"),
        (MINIMAL + "[align]\nthreshold = 2", (), "align.threshold"),
        (MINIMAL + "[project]\nsolver = 'magic'", (), "exact"),
        (MINIMAL + "[tag]\ntagger = 'spacy'", (), "tag.model"),
        (MINIMAL, ("project.constraint==",), "needs solver = 'ilp'"),
        (MINIMAL, ("project.solver=ilp", "project.projections=0"), "projects nothing"),
        ("language = ", (), "not valid TOML"),
        (MINIMAL, ("nonsense",), "table.key=value"),
        (MINIMAL, ("projekt.solver=greedy",), "did you mean 'project'"),
        (MINIMAL, ("project.solvr=greedy",), "did you mean 'solver'"),
        ('language = "klingon"\n[ingest]\npath = "x"', (), "unknown language"),
    ],
)
def test_mistakes_are_named_with_what_is_legal(tmp_path, text, overrides, words):
    with pytest.raises(RecipeError) as raised:
        load(tmp_path, text, overrides)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_a_mistake_is_laid_at_the_door_of_who_made_it(tmp_path):
    with pytest.raises(RecipeError, match=r"^--set align.hmm=auto: align.hmm = 'auto': must be true or false$"):
        load(tmp_path, overrides=["align.hmm=auto"])
    wrong = MINIMAL + "[align]\nhmm = 3\n"
    for overrides in ([], ["align.iterations=2"], ["align.iterations=x"]):
        with pytest.raises(RecipeError, match=r"r\.toml: align.hmm = 3: must be true or false$"):
            load(tmp_path, wrong, overrides)
    assert load(tmp_path, wrong, ["align.hmm=false"]).align.hmm is False


def test_all_mistakes_at_once(tmp_path):
    with pytest.raises(RecipeError, match="threshold.*solver"):
        load(tmp_path, MINIMAL + "[align]\nthreshold = 2\n[project]\nsolver = 'x'")


@pytest.mark.parametrize("route", get_args(Route))
def test_starters_load_and_explain_every_key(tmp_path, route):
    text = starter(route)
    made = load(tmp_path, text)
    assert made.route == route
    for name, table in TABLES.items():
        assert f"[{name}]" in text
        for key, field in table.model_fields.items():
            assert f"{key} = " in text and field.description and field.description in text


@pytest.mark.parametrize("route", get_args(Route))
def test_starters_load_with_every_line_uncommented(tmp_path, route):
    lines = starter(route).splitlines()
    table, keys = "", []
    for line in lines:
        bare = line.removeprefix("# ") if " = " in line or line.startswith("# [") else line
        table = bare.strip("[]") if bare.startswith("[") else table
        # keys of other aligners are refused, so they wait for whoever changes the aligner
        if table == "align" and " = " in bare and bare.split(" = ")[0] not in READ_BY["statistical"] | OF_STAGE:
            continue
        keys.append(bare)
    made = load(tmp_path, "\n".join(keys))
    assert all(getattr(made, name) is not None for name in TABLES)


def test_an_unknown_route_names_the_known(tmp_path):
    with pytest.raises(RecipeError, match="did you mean 'bitext'"):
        starter("bitxt")


@pytest.mark.parametrize("value", [True, 3, 0.5, 'a "b" é', [1, 2], {"a b": 1.0}, {}, []])
def test_toml_literals_read_back(value):
    import tomllib

    assert tomllib.loads(f"x = {toml(value)}")["x"] == value
