"""Small encoders with real tokenizers: trained on the sample corpus, random weights from a seed.

Each function builds a folder that `AutoModel.from_pretrained` and `AutoTokenizer.from_pretrained` load, and returns it;
a folder that is there already is used again, so one session folder (fixture `models_folder`) serves all tests.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from functools import cache
from itertools import zip_longest
from pathlib import Path

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
LANGUAGES = ("deu_Latn", "rus_Cyrl", "swh_Latn")
VOCABULARY = 1200


def _sentences(path: Path) -> dict[str, list[str]]:
    """The words of each sentence of a CoNLL file, by its id."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# sent_id = "):
            words = found.setdefault(line.removeprefix("# sent_id = "), [])
        elif line and not line.startswith("# "):
            words.append(line.split("\t")[0])
    return found


@cache
def bitext(language: str | None = None) -> tuple[tuple[list[str], list[str]], ...]:
    """English and target words of every sample pair of one language, or of all languages in turn."""
    if language is None:
        mixed = zip_longest(*map(bitext, LANGUAGES))
        return tuple(pair for pairs in mixed for pair in pairs if pair is not None)
    pairs = []
    for split in ("train", "test"):
        source, target = (_sentences(SAMPLE / language / f"{split}.{side}.conll") for side in ("source", "target"))
        pairs += [(words, target[name]) for name, words in source.items() if name in target]
    return tuple(pairs)


@cache
def _texts() -> tuple[str, ...]:
    return tuple(" ".join(words) for pair in bitext() for words in pair)


@cache
def _sentencepiece() -> tuple[list[tuple[str, float]], bytes]:
    """Pieces and scores of a unigram model with the normalization of XLM-R and NLLB, and its compiled rules."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_texts()),
        model_writer=written,
        vocab_size=VOCABULARY,
        model_type="unigram",
        normalization_rule_name="nmt_nfkc",
        num_threads=1,
        minloglevel=2,
    )
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(written.getvalue())
    pieces = [(piece.piece, piece.score) for piece in model.pieces if piece.type == piece.NORMAL]
    return pieces, model.normalizer_spec.precompiled_charsmap


def _save(folder: Path, tokenizer: object, model_class: type, config: object, seed: int) -> Path:
    """Random weights from a seed, and both halves in one folder; the random state of torch stays as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def bert(folder: Path, *, layers: int = 3, dim: int = 64, max_length: int = 128, seed: int = 0) -> Path:
    """A cased BERT with WordPiece, as multilingual BERT; it has a masked-LM head."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

    path = folder / f"bert-{layers}-{dim}-{max_length}-{seed}"
    if path.exists():
        return path
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # named first, so that the trainer has no order of its own in which to break ties
    inner = sorted({f"##{letter}" for text in _texts() for letter in text if letter != " "})
    trained = BertWordPieceTokenizer(lowercase=False)
    trained.train_from_iterator(
        _texts(), vocab_size=VOCABULARY, min_frequency=1, show_progress=False, special_tokens=special + inner
    )
    words = sorted(set(trained.get_vocab()) - set(special))
    vocabulary = {word: k for k, word in enumerate(special + words)}
    tokenizer = BertTokenizerFast(vocab=vocabulary, do_lower_case=False, model_max_length=max_length)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=dim,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * dim,
        max_position_embeddings=max_length,
        initializer_range=0.1,
    )
    return _save(path, tokenizer, BertForMaskedLM, config, seed)


def xlmr(folder: Path, *, layers: int = 3, dim: int = 64, max_length: int = 128, seed: int = 0) -> Path:
    """XLM-R with a SentencePiece unigram tokenizer; it has a masked-LM head."""
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM, XLMRobertaTokenizerFast

    path = folder / f"xlmr-{layers}-{dim}-{max_length}-{seed}"
    if path.exists():
        return path
    pieces, rules = _sentencepiece()
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocabulary = [*special, *pieces, ("<mask>", 0.0)]
    tokenizer = XLMRobertaTokenizerFast(vocab=vocabulary, _spm_precompiled_charsmap=rules, model_max_length=max_length)
    config = XLMRobertaConfig(
        vocab_size=len(vocabulary),
        hidden_size=dim,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * dim,
        # positions of XLM-R start behind its padding id
        max_position_embeddings=max_length + 2,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        initializer_range=0.1,
    )
    return _save(path, tokenizer, XLMRobertaForMaskedLM, config, seed)


def m2m(
    folder: Path, *, layers: int = 3, dim: int = 64, max_length: int = 128, seed: int = 0, letters: str = ""
) -> Path:
    """NLLB: an M2M100 encoder and decoder, BPE, language codes of NLLB as special tokens; knows `letters` at least."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    path = folder / f"m2m-{layers}-{dim}-{max_length}-{seed}{'-letters' * bool(letters)}"
    if path.exists():
        return path
    rules = _sentencepiece()[1]
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(rules), normalizers.Replace(Regex(r" {2,}"), " ")]
    )
    trained.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, show_progress=False, initial_alphabet=list(letters)
    )
    trained.train_from_iterator(_texts(), trainer)
    saved = folder / f"{path.name}-bpe"
    saved.mkdir(parents=True, exist_ok=True)
    trained.model.save(str(saved))
    vocabulary, merges = models.BPE.read_file(str(saved / "vocab.json"), str(saved / "merges.txt"))
    tokenizer = NllbTokenizer(
        vocab=vocabulary, merges=merges, _spm_precompiled_charsmap=rules, model_max_length=max_length
    )
    config = M2M100Config(
        vocab_size=len(tokenizer),
        d_model=dim,
        encoder_layers=layers,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=2 * dim,
        decoder_ffn_dim=2 * dim,
        max_position_embeddings=max_length,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=2,
        init_std=0.1,
    )
    return _save(path, tokenizer, M2M100ForConditionalGeneration, config, seed)


@contextmanager
def _alike_everywhere():
    """Training in this block has one thread and its own seed, so that weights do not depend on who runs it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            yield
    finally:
        torch.set_num_threads(before)


def translator(folder: Path, *, pairs: int = 16, steps: int = 110) -> Path:
    """A translation model: `m2m` trained until it knows the shortest sample pairs of English and German, both ways.

    It knows brackets: every third pair is also there with `[ ]` round its first word, on both sides.
    """
    path = folder / f"translator-{pairs}-{steps}"
    if path.exists():
        return path
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    base = m2m(folder, layers=1, dim=64, letters="[]")
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForSeq2SeqLM.from_pretrained(base, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0)
    codes = {code: tokenizer.convert_tokens_to_ids(code) for code in ("eng_Latn", "deu_Latn")}
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    def padded(rows: list[list[int]], value: int) -> torch.Tensor:
        width = max(map(len, rows))
        return torch.tensor([row + [value] * (width - len(row)) for row in rows])

    examples = translator_examples(pairs)
    sources = padded([[codes[a], *ids(x), end] for x, _, a, _ in examples], pad)
    targets = [[end, codes[b], *ids(y), end] for _, y, _, b in examples]
    given, wanted = padded([row[:-1] for row in targets], pad), padded([row[1:] for row in targets], -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 8e-3, total_steps=steps)
    with _alike_everywhere():
        for _ in range(steps):
            logits = model(input_ids=sources, attention_mask=sources != pad, decoder_input_ids=given).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    model.eval().save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@cache
def translator_examples(pairs: int = 16) -> tuple[tuple[str, str, str, str], ...]:
    """What `translator` learns: text, translation, and their languages."""
    shortest = sorted(bitext("deu_Latn"), key=lambda pair: sum(len(" ".join(words)) for words in pair))
    found = []
    for k, (english, german) in enumerate(shortest[:pairs]):
        sides = [(" ".join(english), " ".join(german))]
        if k % 3 == 0:
            sides.append((_bracketed(english), _bracketed(german)))
        for x, y in sides:
            found += [(x, y, "eng_Latn", "deu_Latn"), (y, x, "deu_Latn", "eng_Latn")]
    return tuple(found)


def _bracketed(words: list[str]) -> str:
    return " ".join(["[", words[0], "]", *words[1:]])


def classifier(folder: Path, *, labels: tuple[str, ...] | None = None, steps: int = 60) -> Path:
    """A token classifier: `xlmr` trained on the labelled sentences of the tests; other `labels` mean untrained ones."""
    path = folder / f"classifier-{'-'.join(labels or ())}-{steps}"
    if path.exists():
        return path
    import torch
    from sentences import labelled_sentences
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    from xproj.columns import EntityColumn

    base = xlmr(folder, layers=1, max_length=48)
    names = labels or ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")
    with _alike_everywhere():
        tokenizer = AutoTokenizer.from_pretrained(base)
        model = AutoModelForTokenClassification.from_pretrained(
            base, num_labels=len(names), id2label=dict(enumerate(names)), hidden_dropout_prob=0.0
        )
        if labels is None:
            table = labelled_sentences(150)
            rows = table["tokens"].to_pylist()
            given = tokenizer(rows, is_split_into_words=True, return_tensors="pt", padding=True)
            wanted = torch.full_like(given["input_ids"], -100)
            column = EntityColumn.read(table["entities"])
            for row in range(len(rows)):
                tags = [0] * len(rows[row])
                for k in range(column.offsets[row], column.offsets[row + 1]):
                    kind = names.index(f"B-{column.names[column.label[k]]}")
                    start, end = column.start[k], column.end[k]
                    tags[start:end] = [kind] + [kind + 1] * (end - start - 1)
                words = given.word_ids(row)
                for k, word in enumerate(words):
                    if word is not None and (k == 0 or words[k - 1] != word):
                        wanted[row, k] = tags[word]
            optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
            for _ in range(steps):
                loss = model(**given, labels=wanted).loss
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    model.eval().save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
