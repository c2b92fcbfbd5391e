"""What is wrong with a model is one line and exit code 2, through the command line."""

import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_models
from small import here

from xproj import encoders
from xproj.encoders import EncoderSettings
from xproj.errors import BackendError

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def pairs(tmp_path):
    """A table of one pair."""
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"id": ["1"], "source_tokens": [["a", "b"]], "target_tokens": [["c"]]}), path)
    return path


@pytest.fixture
def line(pairs, tmp_path, capsys):
    """Align one pair with some settings; returns the error line."""

    def run(**settings):
        chosen = {"aligner": "simalign", "layer": 2, **settings}
        words = [word for key, value in chosen.items() for word in ("--set", f"align.{key}={value}")]
        place = ["--input", pairs, "--output", tmp_path / "links.parquet"]
        capsys.readouterr()
        code = here("align", *place, "--language", "swh_Latn", "--set", "runtime.device=cpu", *words)
        printed = capsys.readouterr()
        lines = printed.err.splitlines()
        assert code == 2 and len(lines) == 1 and lines[0].startswith("xproj: ") and not printed.out, printed
        assert not (tmp_path / "links.parquet").exists()
        return lines[0]

    return run


# a process in which a package cannot be imported, whatever else is
ABSENT = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from xproj import cli
cli.main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("package", "settings"),
    [("torch", []), ("transformers", []), ("simalign", ["--set", "align.implementation=package"])],
)
def test_a_missing_extra(pairs, package, settings):
    words = ["align", "--input", pairs, "--output", "links.parquet", "--set", "align.aligner=simalign", *settings]
    command = [sys.executable, "-c", ABSENT, package, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=pairs.parent)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert f"the package '{package}' is missing; pip install 'xproj[models]'" in done.stderr


def test_a_missing_folder(line, tmp_path):
    assert "no such folder; correct the path" in line(model=tmp_path / "nothing")
    assert "no config.json in this folder" in line(model=tmp_path)


def test_a_hub_name_without_a_commit(line):
    assert 'add revision = "COMMIT"' in line(model="somebody/something")


@pytest.mark.parametrize("aligner", ["simalign", "transalign"])
def test_a_wrong_layer(line, models_folder, aligner):
    folder = (small_models.bert if aligner == "simalign" else small_models.m2m)(models_folder)
    assert "has 3 layers; set a layer from 0 to 3" in line(model=folder, layer=7, aligner=aligner)


def copy(folder, target, *names):
    """Some files of a model folder."""
    target.mkdir()
    for name in names:
        shutil.copy(folder / name, target / name)
    return target


@pytest.mark.parametrize("kind", ["bert", "xlmr", "m2m"])
def test_a_folder_without_a_tokenizer(line, models_folder, tmp_path, kind):
    folder = getattr(small_models, kind)(models_folder)
    model = copy(folder, tmp_path / "bare", "config.json", "model.safetensors")
    assert "add its files" in (found := line(model=model)) and "tokenizer" in found


def test_a_tokenizer_that_needs_a_missing_package(line, models_folder, monkeypatch):
    from xproj.encoders import loading

    def missing(*_, **__):
        raise ImportError("needs sentencepiece\nand more")

    monkeypatch.setattr(loading.AutoTokenizer, "from_pretrained", missing)
    found = line(model=small_models.xlmr(models_folder))
    assert "needs a package that is missing (needs sentencepiece); pip install 'xproj[models]'" in found


def test_a_language_that_the_model_does_not_know(line, models_folder, monkeypatch):
    from transformers import PreTrainedTokenizerFast

    folder = small_models.m2m(models_folder)
    monkeypatch.setattr(PreTrainedTokenizerFast, "get_vocab", lambda self: {})
    assert "the language code 'eng_Latn' is not in its tokenizer" in line(model=folder, aligner="transalign")


def test_a_gpu_that_is_too_small(line, models_folder, monkeypatch):
    folder = small_models.bert(models_folder)

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20 GiB")

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.Module, "to", full)
        assert 'does not fit on cpu; set runtime.device = "cpu" or a half-precision dtype' in line(model=folder)
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.Embedding, "forward", full)
        assert "a sentence of 4 sub-words does not fit on cpu" in line(model=folder)


# --- weights ---


class Code:
    """Runs when it is unpickled without care."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code in a model file ran')",)


@pytest.fixture
def pickled(models_folder, tmp_path):
    """NLLB as it is on the hub: weights in a .bin file alone."""
    from safetensors.torch import load_file

    folder = tmp_path / "pickled"
    shutil.copytree(small_models.m2m(models_folder), folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    return folder, weights


def test_pickled_weights_are_read_as_numbers_alone(pickled, models_folder, monkeypatch):
    from xproj.columns import TokenColumn

    folder, _ = pickled
    asked = []
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: asked.append(k["weights_only"]) or load(*a, **k))
    tokens = TokenColumn.of([["a", "b"]])
    found = [
        encoders.open(EncoderSettings(str(path), device="cpu")).encode(tokens, language="swh_Latn").vectors
        for path in (folder, small_models.m2m(models_folder))
    ]
    assert asked and all(asked) and (found[0] == found[1]).all()


def test_code_in_pickled_weights_does_not_run(pickled, line):
    folder, weights = pickled
    torch.save({**weights, "more": Code()}, folder / "pytorch_model.bin")
    assert "holds more than numbers, which could run code; get the model as safetensors" in line(model=folder)


def test_safetensors_come_first(pickled, models_folder, tmp_path):
    folder, weights = pickled
    shutil.copy(small_models.m2m(models_folder) / "model.safetensors", folder)
    torch.save({**weights, "more": Code()}, folder / "pytorch_model.bin")
    encoders.open(EncoderSettings(str(folder), device="cpu"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 nonsense"])
def test_damaged_weights(pickled, line, name, content):
    folder, _ = pickled
    (folder / name).write_bytes(content)
    assert "damaged" in (found := line(model=folder)) or "cannot be loaded" in found


def test_code_in_a_model_folder_does_not_run(models_folder, tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(small_models.bert(models_folder), folder)
    config = (folder / "config.json").read_text()
    own = '"model_type": "own", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}'
    (folder / "config.json").write_text(config.replace('"model_type": "bert"', own))
    (folder / "code.py").write_text("raise SystemExit('code in a model folder ran')")
    with pytest.raises(BackendError, match="custom code"):
        encoders.open(EncoderSettings(str(folder), device="cpu"))
