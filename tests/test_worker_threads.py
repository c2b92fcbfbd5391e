"""How many threads a worker has: one, or its share of the cores where a model runs."""

from small import RECIPE, here, write_project

from xproj import executors, recipe, stages
from xproj.errors import RecipeError


def test_workers_share_the_cores_where_a_model_runs(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    found = {(m, w): set(executors.threads(m, w).values()) for m in (True, False) for w in (1, 3, 20)}
    assert found[False, 1] == found[False, 3] == {"1"}
    assert found[True, 1] == {"8", "1"} and found[True, 3] == {"2", "1"} and found[True, 20] == {"1"}
    assert executors.threads(True, 1)["OPENBLAS_NUM_THREADS"] == "1"


def test_which_stages_run_a_model():
    def stage(**align):
        made = recipe.Recipe(ingest=recipe.Ingest(), align=recipe.Align(**align), language="swh_Latn")
        return stages.STAGES["align"](made)

    assert stage(aligner="awesome").runs_model()
    assert stage(aligner="ensemble", members=["statistical", "labse"]).runs_model()
    assert not stage(aligner="ensemble", members=["statistical", "given"]).runs_model()
    made = stage().recipe
    for translator, runs in (("nllb", True), ("apertium", False)):
        settings = recipe.Translate(translator=translator, model="m" if runs else None)
        assert stages.STAGES["translate"](made.model_copy(update={"translate": settings})).runs_model() == runs
    assert not stage().runs_model() and not stages.STAGES["ingest"](stage().recipe).runs_model()


def test_the_executor_gives_them_to_the_workers(tmp_path, monkeypatch):
    def work(task, messages, env, reporter):
        seen.append((task.stage, len(messages), env["OMP_NUM_THREADS"]))
        if task.stage == "align":
            raise RecipeError("stopped")
        return real(task, messages, env, reporter)

    real, seen = executors._work, []
    monkeypatch.setattr(executors, "_work", work)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    path = write_project(tmp_path, RECIPE.replace("iterations = 2\nprefixes = [4]", 'aligner = "awesome"'))
    for stage, code in (("ingest", 0), ("align", 2)):
        assert here(stage, path, "--runs", tmp_path / "runs", "--workers", 2) == code
    assert seen == [("ingest", 1, "1"), ("align", 2, "4")]
