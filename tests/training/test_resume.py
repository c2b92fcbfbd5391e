"""A training that is killed goes on to the same end, and what is half written does not stop it."""

import json
import signal

import pytest
import training_runs
from training_runs import in_a_process, train_on

pytest.importorskip("torch")
pytest.importorskip("transformers")

KILLS = [("step", 13), ("save", 20), ("best", 30)]


@pytest.fixture(scope="module")
def silver(tmp_path_factory):
    return training_runs.silver(tmp_path_factory.mktemp("silver"))


@pytest.fixture(scope="module")
def settings(models_folder):
    encoder = training_runs.encoder(models_folder)
    return {"model": str(encoder), "dev": str(training_runs.gold()), "epochs": 20, "patience": 3}


def folders(path):
    return sorted(p.name for p in path.iterdir() if p.is_dir())


def test_killed_three_times_it_ends_as_if_undisturbed(tmp_path, silver, settings):
    undisturbed, killed = tmp_path / "a", tmp_path / "b"
    assert in_a_process(train_on, silver, undisturbed, settings) == 0
    seen = []
    for kill in KILLS:
        assert in_a_process(train_on, silver, killed, settings, kill) == -signal.SIGKILL
        state = next(tmp_path.glob(".training-*"))
        seen.append(folders(state))
    assert not killed.exists() and len(seen[1]) > 1, "the second one was killed while it wrote a checkpoint"
    assert in_a_process(train_on, silver, killed, settings) == 0
    facts = [json.loads(path.with_suffix(".json").read_text()) for path in (undisturbed, killed)]
    assert facts[0] == facts[1] and facts[0]["epochs"] < 20 and facts[0]["best_epoch"] > 1, facts
    assert (undisturbed / "model.safetensors").read_bytes() == (killed / "model.safetensors").read_bytes()
    assert folders(tmp_path) == ["a", "b"], "nothing else is left"


def test_a_state_is_that_of_one_output_and_goes_with_it(tmp_path, silver, settings):
    """Of two trainings with the same settings, one may end while the other one goes on, with other settings too."""
    short = settings | {"epochs": 3}
    one, other = tmp_path / "one", tmp_path / "other"
    for output in (one, other):
        assert in_a_process(train_on, silver, output, short, ("step", 13)) == -signal.SIGKILL
    states = sorted(tmp_path.glob(".training-*"))
    assert [path.name.rpartition("-")[0] for path in states] == [".training-one", ".training-other"]
    assert in_a_process(train_on, silver, one, short | {"learning_rate": 1e-3}) == 0
    assert list(tmp_path.glob(".training-*")) == states[1:]
    assert folders(states[1]) == ["checkpoint-12"]
