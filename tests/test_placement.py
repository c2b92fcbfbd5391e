"""Constrained marker placement by a small translation model, against scoring every insertion one by one."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_models
import torch
from small import here

from xproj import recipe, translators
from xproj.columns import EntityColumn
from xproj.core.markers import STYLES, Marked, Piece
from xproj.core.placement import search
from xproj.errors import BackendError, RecipeError
from xproj.translators import Part, Translation, placement
from xproj.translators.engine_torch import TorchEngine

LANGUAGES = {"source": "eng_Latn", "target": "deu_Latn"}


@pytest.fixture(scope="module")
def translator(translator_model):
    settings = recipe.Translate(translator="nllb", model=str(translator_model), engine="hf", beam=1, max_length=60)
    return translators.open("nllb", str(translator_model), settings=settings)


@pytest.fixture(scope="module")
def pairs():
    """English sentences with one entity each, and German ones; seen in training or not."""
    chosen = [pair for pair in small_models.bitext("deu_Latn")[:60] if len(pair[1]) < 12][:5]
    found = []
    for k, (source, target) in enumerate(chosen):
        start = len(" ".join([*source[:k], ""]))
        piece = Piece(start, start + len(source[k]), 0)
        found.append((Marked(" ".join(source), (piece,)), Translation(" ".join(target), -1.0)))
    return found


def place(translator, pairs, limit=None):
    placer = translator.placer(limit)
    found = placer.place([x for x, _ in pairs], [y for _, y in pairs], **LANGUAGES)
    return [one.marked for one in found], placer.counts


def plain_reference(translator, sentence, text):
    """The best marked text of one entity: each of all insertions is scored alone, its prefix and all."""
    piece, engine, subwords = sentence.pieces[0], translator._engine, translator.subwords
    before, after = sentence.text[: piece.start], sentence.text[piece.end :]
    opening, closing = placement.MARKERS
    codes = subwords.languages(*LANGUAGES.values())
    source = subwords.encode([f"{before}{opening} {sentence.text[piece.start : piece.end]} {closing}{after}"], codes)
    words = text.split()
    ids = subwords.encode_targets([*words, opening, closing])
    *ids, first, last = ids
    assert sum(ids, []) == subwords.encode_targets([text])[0]
    scores = {}
    for a in range(len(words)):
        for b in range(a + 1, len(words) + 1):
            parts = [*ids[:a], first, *ids[a:b], last, *ids[b:]]
            scores[a, b] = engine.score(source, [sum(parts, [])], code=codes.target)[0].sum(dtype=np.float64)
    return scores


def span(marked):
    decoded = STYLES["blanks"].decode(marked)
    (piece,) = {(p.start, p.end) for p in decoded.pieces}
    return len(decoded.text[: piece[0]].split()), len(decoded.text[: piece[1]].split())


@pytest.mark.parametrize("markers", [("[", "]"), ("[[", "]["), ("e", "en")], ids=["one", "several", "letters"])
def test_all_equals_scoring_every_insertion(translator, pairs, monkeypatch, markers):
    monkeypatch.setattr(placement, "MARKERS", markers)
    if markers == ("[[", "]["):
        assert min(map(len, translator.subwords.encode_targets(markers))) > 1
    found, counts = place(translator, pairs)
    for (sentence, translation), marked in zip(pairs, found, strict=True):
        scores = plain_reference(translator, sentence, translation.text)
        assert scores[span(marked)] == pytest.approx(max(scores.values()), abs=1e-3)
    assert counts["placement.placed"] == counts["placement.proven"] == len(pairs) and not counts["placement.capped"]


def test_what_was_learnt_is_found(translator):
    """Every third sentence was trained with markers round the first word."""
    examples = [
        pair for pair in small_models.translator_examples() if pair[0].startswith("[") and pair[2] == "eng_Latn"
    ]
    pairs = []
    for marked, translation, *_ in examples:
        text = marked.removeprefix("[ ").replace(" ] ", " ", 1)
        pairs.append(
            (Marked(text, (Piece(0, marked.index(" ]") - 2, 0),)), translation.replace("[ ", "").replace("] ", ""))
        )
    found, _ = place(translator, [(x, Translation(y, 0.0)) for x, y in pairs], 64)
    assert [span(marked) for marked in found] == [(0, 1)] * len(pairs)


def test_chunks_and_batches_change_nothing(translator, pairs, monkeypatch):
    expected = place(translator, pairs)[0]
    for positions, rows in ((7, 1), (10**9, 200)):
        monkeypatch.setattr(placement, "POSITIONS", positions)
        monkeypatch.setattr(placement, "ROWS", {"cpu": rows})
        assert place(translator, pairs)[0] == expected


def test_memory_does_not_grow_with_the_spans(translator, pairs):
    model = translator._engine.model
    sizes = {"logits": [], "states": []}
    hooks = [
        model.get_output_embeddings().register_forward_hook(lambda *a: sizes["logits"].append(a[2].numel())),
        model.get_decoder().register_forward_hook(lambda *a: sizes["states"].append(len(a[2].last_hidden_state))),
    ]
    longest = max(pairs, key=lambda pair: len(pair[1].text))
    twice = (longest[0], Translation(f"{longest[1].text} {longest[1].text}", 0.0))
    try:
        scored = place(translator, [twice])[1]["placement.scored"]
    finally:
        for hook in hooks:
            hook.remove()
    assert scored > 3 * placement.ROWS["cpu"]
    assert max(sizes["states"]) == placement.ROWS["cpu"]
    assert max(sizes["logits"]) <= placement.POSITIONS * model.config.vocab_size


def test_a_batch_that_does_not_fit_is_halved(translator, pairs, monkeypatch):
    expected = place(translator, pairs[:2])[0]
    whole = placement.Forced._forward

    def forward(self, inputs):
        if len(inputs) > 2:
            raise torch.OutOfMemoryError
        return whole(self, inputs)

    monkeypatch.setattr(placement.Forced, "_forward", forward)
    assert place(translator, pairs[:2])[0] == expected


def test_a_limit_caps_spans_and_says_so(translator, pairs):
    marked, counts = place(translator, pairs, 1)
    assert all(marked) and counts["placement.scored"] <= len(pairs)
    assert counts["placement.capped"] + counts["placement.proven"] == counts["placement.entities"] == len(pairs)
    assert counts["placement.capped"] > 0


def test_markers_that_the_tokenizer_does_not_know(translator, monkeypatch):
    monkeypatch.setattr(placement, "MARKERS", ("⟦", "⟧"))
    with pytest.raises(BackendError, match="does not know the marker '⟦'"):
        translator.placer(64)


def test_texts_with_nothing_to_place(translator):
    entity = Piece(0, 4, 0)
    cases = [
        (Marked("Anna", (entity,)), Translation("Anna", 0.0), "[[t:s:0]]Anna[[/]]"),
        (Marked("Anna", (entity,)), Translation("", 0.0), ""),
        (Marked("Anna"), Translation("[Anna]", 0.0), "\\[Anna\\]"),
        (Marked("Anna", (entity,)), Translation("", 0.0, "translation_empty"), None),
        (Marked("Anna sings " * 40, (entity,)), Translation("Anna singt", 0.0), "Anna singt"),
        (Marked("Anna", (entity,)), Translation("Anna singt " * 80, 0.0), "Anna singt " * 80),
    ]
    found, counts = place(translator, [case[:2] for case in cases], 64)
    assert found == [case[2] for case in cases]
    assert counts["placement.entities"] == 4 and counts["placement.too_long"] == 2
    assert counts["placement.placed"] == counts["placement.proven"] == 1
    assert place(translator, [])[1]["placement.entities"] == 0


def test_each_entity_is_looked_for_in_its_own_sentences(translator):
    text, said = "Anna sings. Peter sings.", "Anna singt. Peter singt."
    parts = (Part(0, 11, 0, 11), Part(12, 24, 12, 24))
    pieces = (Piece(0, 4, 0), Piece(12, 17, 1), Piece(5, 17, 2))
    (marked,), _ = place(translator, [(Marked(text, pieces), Translation(said, 0.0, parts=parts))], 64)
    places = {}
    for piece in STYLES["blanks"].decode(marked).pieces:
        a, b = places.get(piece.entity, (99, 0))
        places[piece.entity] = min(a, piece.start), max(b, piece.end)
    assert places[0][1] <= 11 and places[1][0] >= 12 and set(places) == {0, 1, 2}


def tiny(kind, folder):
    from transformers import AutoModelForSeq2SeqLM, MarianConfig, MT5Config, T5Config, UMT5Config

    size = {"vocab_size": 60, "d_model": 16, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    if kind == "marian":
        heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
        config = MarianConfig(
            **size, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16, decoder_ffn_dim=16, **heads
        )
    else:
        config = {"t5": T5Config, "mt5": MT5Config, "umt5": UMT5Config}[kind](
            **size, d_kv=8, d_ff=16, num_layers=1, num_heads=2
        )
    torch.manual_seed(0)
    model = AutoModelForSeq2SeqLM.from_config(config)
    if kind == "marian":
        model.final_logits_bias.normal_()
    model.save_pretrained(folder)
    return TorchEngine(folder, kind, compute_type="float32", device="cpu")


@pytest.mark.parametrize("kind", ["marian", "t5", "mt5", "umt5"])
@pytest.mark.parametrize("code", [None, 9])
def test_all_families_score_alike(tmp_path, kind, code):
    """Some scale their last states, some add a bias to their logits, one never says its padding."""
    engine = tiny(kind, tmp_path)
    source, target, pair = [4, 5, 6, 1], [20, 21, 22, 23], placement.Pair([40], [41, 42])
    forced = placement.Forced(engine, source, target, code, pair, 1000)
    places = np.array([(i, j) for i in range(4) for j in range(i + 1, 5)])
    sequences = [[*target[:i], 40, *target[i:j], 41, 42, *target[j:]] for i, j in places]
    alone = np.array([engine.score([source], [one], code=code)[0].sum(dtype=np.float64) for one in sequences])
    forced.clean()
    begun = forced.opened(np.arange(4))[places[:, 0], places[:, 1]]
    assert forced.placed(places, begun) == pytest.approx(alone, abs=1e-4)
    assert (begun >= alone).all(), "a beginning is never less likely than the whole"
    found = search(forced, places)
    assert found.span == int(np.argmax(alone)) and found.score == pytest.approx(alone.max(), abs=1e-4)


# --- recipes ---


@pytest.mark.parametrize(
    "settings",
    [{"translator": "fake"}, {"translator": "nllb", "engine": "ct2"}, {"translator": "nllb", "compute_type": "int8"}],
)
def test_what_cannot_place_markers(settings):
    model = {"model": "m"} if settings["translator"] == "nllb" else {}
    with pytest.raises(RecipeError, match="markers = 'constrained' needs"):
        recipe.parse({"translate": settings | model | {"markers": "constrained"}}, "test")


def test_placed_markers_are_projected(tmp_path, translator_model):
    examples = [x.split() for x, _, a, _ in small_models.translator_examples() if a == "eng_Latn" and x[0] != "["][:4]
    entities = EntityColumn.of([[(0, 1, "PER")], [(0, 1, "PER"), (1, 2, "LOC")], [], None])
    table = pa.table({"id": list("abcd"), "source_tokens": examples, "source_entities": entities.write()})
    given, pairs, projected = (tmp_path / f"{name}.parquet" for name in ("given", "pairs", "projected"))
    pq.write_table(table, given)
    keys = {"translator": "nllb", "model": translator_model, "markers": "constrained", "checks": "false", "beam": 1}
    marks = [part for key, value in keys.items() for part in ("--set", f"translate.{key}={value}")]
    assert here("translate", "--input", given, "--output", pairs, *marks, "--language", "deu_Latn") == 0
    assert here("project", "--input", pairs, "--output", projected, "--set", "project.candidates=markers") == 0
    rows = pq.read_table(projected).to_pylist()
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "unlabelled"]
    assert [len(row["target_entities"] or []) + len(row["dropped"] or []) for row in rows] == [1, 2, 0, 0]
    assert rows[0]["marked_text"].count("[[t:s:0]]") == 1
    (first,) = rows[0]["target_entities"]
    assert first["score"] == 1.0 and first["label"] == "PER"
