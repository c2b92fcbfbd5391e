"""Products through oneDNN are those of torch, gradients included."""

import pytest

torch = pytest.importorskip("torch")

from xproj.training import products  # noqa: E402


@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="a torch without oneDNN")
@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 5), (1, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_and_its_gradients(shape, bias):
    torch.manual_seed(0)
    layer = torch.nn.Linear(5, 6, bias=bias)
    given = torch.randn(shape, requires_grad=True)
    found = []
    for _ in range(2):
        said = layer(given)
        wanted = torch.autograd.grad((said * torch.arange(6)).sin().sum(), [given, *layer.parameters()])
        found.append((said, *wanted))
        products.use(layer)
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert list(layer.state_dict()) == ["weight", "bias"][: 1 + bias]


def test_where_it_is_used(monkeypatch, tmp_path):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    for text, expected in (("vendor_id : AuthenticAMD", True), ("vendor_id : GenuineIntel", False)):
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(products, "CPUINFO", tmp_path / "cpuinfo")
        assert products.useful(cpu) == (expected and torch.backends.mkldnn.is_available())
    monkeypatch.setattr(products, "CPUINFO", tmp_path / "nothing")
    assert not products.useful(cpu) and not products.useful(torch.device("cuda"))


def test_auto_is_part_of_what_names_the_folder_of_a_training():
    from xproj import recipe
    from xproj.stages import STAGES

    def resolved(**keys):
        made = recipe.parse({"ingest": {}, "train": keys, "runtime": {"device": "cpu"}}, "test")
        return STAGES["train"](made).resolved()

    found = resolved(tagger="transformers", model="x")
    assert found == {"dtype": products.precision("auto", torch.device("cpu"))}
    assert found["dtype"] in ("float32", "bfloat16")
    assert resolved(tagger="transformers", model="x", dtype="float32") == resolved() == {}
