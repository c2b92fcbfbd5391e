"""Two processes learn what one learns in twice as many passes, and the first alone writes."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import training_runs
from training_runs import curve, in_a_process

pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def silver(tmp_path_factory):
    return training_runs.silver(tmp_path_factory.mktemp("silver"))


@pytest.fixture
def port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_two_processes_have_the_curve_of_doubled_accumulation(tmp_path, silver, models_folder, port):
    settings = {"model": str(training_runs.encoder(models_folder)), "dev": str(training_runs.gold()), "epochs": 3}
    settings |= {"batch_tokens": 300, "focal": 0.5}
    one, two = tmp_path / "one", tmp_path / "two"
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(in_a_process, curve, silver, one, settings | {"accumulation": 2})]
        jobs += [pool.submit(in_a_process, curve, silver, two, settings, rank, 2, port) for rank in (0, 1)]
        assert [job.result() for job in jobs] == [0, 0, 0]
    curves = [json.loads((tmp_path / f"{name}.curve").read_text()) for name in ("one-0", "two-0", "two-1")]
    assert len(curves[0]) > 20 and curves[0][-1] < curves[0][0]
    assert curves[0] == pytest.approx(curves[1], abs=1e-5) and curves[1] == curves[2]
    facts = [json.loads(path.with_suffix(".json").read_text()) for path in (one, two)]
    assert facts[0] == pytest.approx(facts[1], abs=1e-5)


def test_torchrun_writes_and_prints_once(tmp_path, silver, models_folder, port):
    encoder = training_runs.encoder(models_folder)
    keys = [f"train.{key}={value}" for key, value in training_runs.SMALL.items()]
    keys += [f"train.model={encoder}", "train.epochs=1", "runtime.device=cpu"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port)]
    sets = [part for key in keys for part in ("--set", key)]
    done = subprocess.run(
        [*launch, "-m", "xproj", "train", str(silver), "--output", "tagger", "--language", "deu_Latn", *sets, "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["sentences"] == 164
    assert "rror" not in done.stderr, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tagger"]
    assert (tmp_path / "tagger" / "model.safetensors").is_file()
