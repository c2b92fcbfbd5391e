"""The text with what all teachers say of it together: made once, kept as columns until the student is trained."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xproj import corpora, processes, store
from xproj.columns import TokenColumn, build_list
from xproj.core import teachers
from xproj.core.labels import decode
from xproj.distillation.similarity import Words, shares_by_language
from xproj.distillation.teachers import Projection, open_all
from xproj.errors import CorpusError
from xproj.fingerprints import FileHashes, digest
from xproj.training.labelled import marked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from xproj.columns import Bool
    from xproj.distillation.teachers import Labeller
    from xproj.languages import Language
    from xproj.recipe import Distill, Runtime, Train

VERSION = 1
FILE = "soft.parquet"
ROWS = 2_000
WAIT = 0.5  # seconds between two looks whether the first process is done
LABELS = b"labels"
"""The key of the field's metadata that names the labels, one on a line."""


def taught(
    settings: Train, data: Path, language: Language, output: Path, runtime: Runtime | None = None
) -> Iterator[pa.Table]:
    """The text of `[train.distill]` with the labels of its teachers.

    They are computed once and kept in a hidden folder beside `output`, for a training that goes on after a kill;
    `store.remove_unfinished` removes it. Of several processes the first computes.

    Args:
        settings: the table `[train]`, with `distill`.
        data: the corpus whose sentences are the text where the settings name none.
        language: of the text; says how it is cut into words.
        output: the folder of the model that is trained.
        runtime: where models run.

    Yields:
        Tables with `id`, `tokens`, `entities` (the best labels), and for each word `taught` (does it count?),
        `probabilities` (float16, of the labels that the metadata of its field name), `agreed` (the label that all
        teachers give, else NO_LABEL), and with pairs `partner` (a word of the sentence, or ALONE) and `similarity`.

    Raises:
        RecipeError: teachers with different labels.
        CorpusError: no sentence, or a projection of other sentences.
        XprojError: a model or corpus cannot be read.
    """
    assert settings.distill is not None
    file = _place(settings, data, output) / FILE
    if not file.is_file():
        if processes.first():
            file.parent.mkdir(exist_ok=True)
            try:
                _write(_answers(settings, settings.distill, data, language, runtime), file)
            finally:
                if not file.is_file():
                    store.remove(file.parent)
        while not file.is_file():
            time.sleep(WAIT)
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(batch_size=ROWS):
            yield pa.Table.from_batches([batch])


def lessons(
    settings: Train,
    data: Path,
    tables: Iterable[pa.Table],
    language: Language,
    output: Path,
    runtime: Runtime | None = None,
) -> Iterator[pa.Table]:
    """All that a student learns from: what it is taught, then the corpora that have labels of their own.

    Args:
        settings, data, language, output, runtime: see `taught`.
        tables: the labelled corpora; the one at `data`, if it is among them, first and without name in `corpus`.
    """
    assert settings.distill is not None
    named = bool(settings.corpora)
    # both are parts of DATA, which has no name
    for table in taught(settings, data, language, output, runtime):
        yield marked(table, "", 1.0, language) if named else table
    for table in tables:
        other = named and table["corpus"][0].as_py()
        yield table if other else marked(table, "", settings.distill.labelled, language)


def _place(settings: Train, data: Path, output: Path) -> Path:
    """The folder of these teachers on this text, by the contents of all of them."""
    assert settings.distill is not None
    hashes = FileHashes(Path(os.devnull))
    named = {key: value for key, value in settings.distill.paths().items() if value is not None}
    known = {
        "version": VERSION,
        "settings": settings.distill.model_dump(mode="json"),
        "student": settings.model if settings.distill.weights == "similar" else None,
        "labels": settings.labels,
        "lost_entities": settings.lost_entities,
        "seed": settings.seed,
        "contents": {key: hashes.tree(value) for key, value in {**named, "data": str(data)}.items()},
    }
    return store.unfinished(output, "teachers", digest(known))


def _write(tables: Iterator[pa.Table], file: Path) -> None:
    """All tables in one file, which is there when it is whole."""
    with store.written(file) as temporary:
        first = next(tables)
        with pq.ParquetWriter(temporary, first.schema) as writer:
            writer.write_table(first)
            for table in tables:
                writer.write_table(table)


def _answers(
    settings: Train, distill: Distill, data: Path, language: Language, runtime: Runtime | None
) -> Iterator[pa.Table]:
    """What the teachers say, table by table."""
    opened = open_all(settings, distill, data, runtime)
    shares = _shares(settings, distill, data, language, runtime)
    evaluator = None if distill.pairs is None else Words(distill.pairs.evaluator, language, runtime)
    known = 0
    for number, table in enumerate(_text(distill, data, language)):
        made = _together(table, opened, shares, distill.agreement_only)
        if evaluator is not None:
            made = _paired(made, evaluator, (settings.seed, number))
        known += int(pa.compute.sum(pa.compute.list_flatten(made["taught"])).as_py() or 0)
        yield made
    for teacher in opened:
        if isinstance(teacher, Projection):
            teacher.check()
    if not known:
        raise CorpusError("[train.distill] no word is left to learn from: the teachers never agree; see agreement_only")


def _text(distill: Distill, data: Path, language: Language) -> Iterator[pa.Table]:
    path = data if distill.text is None else Path(distill.text)
    split = "train" if "train" in corpora.splits(path) else None
    return corpora.read_labelled(path, split=split, language=language, rows=ROWS)


def _shares(
    settings: Train, distill: Distill, data: Path, language: Language, runtime: Runtime | None
) -> Sequence[float]:
    """The weight of each teacher in the mixture."""
    if distill.weights != "similar":
        return [teacher.weight for teacher in distill.teachers.values()]
    encoder = Words(str(settings.model), language, runtime, settings.revision)
    texts = [corpora.read_labelled(str(teacher.corpus)) for teacher in distill.teachers.values()]
    return shares_by_language(encoder, texts, _text(distill, data, language), settings.seed)


def _together(table: pa.Table, opened: Sequence[Labeller], shares: Sequence[float], agreement_only: bool) -> pa.Table:
    """The mixture of the teachers on the words of a table."""
    words = TokenColumn.read(table["tokens"])
    labels = opened[0].labels
    answers = [teacher.answer(table) for teacher in opened]
    columns = [teachers.renumber(teacher.labels, labels) for teacher in opened]
    rows = [probabilities[:, order] for (probabilities, _), order in zip(answers, columns, strict=True)]
    mixture = teachers.mix(rows, shares, [present for _, present in answers])
    counts = mixture.known & ((mixture.agreed != teachers.NO_LABEL) | (not agreement_only))
    entities = decode(np.split(mixture.probabilities, words.offsets[1:-1]), labels, words.valid).write()
    made: dict[str, Any] = {
        "id": table["id"],
        "tokens": table["tokens"],
        "entities": entities,
        "taught": build_list(words.offsets, pa.array(counts), words.valid),
        "agreed": build_list(words.offsets, pa.array(mixture.agreed.astype(np.int16)), words.valid),
    }
    flat = mixture.probabilities.astype(np.float16)
    of_words = build_list(np.arange(len(flat) + 1) * len(labels), pa.array(flat.ravel()))
    soft = build_list(words.offsets, of_words, words.valid)
    field = pa.field("probabilities", soft.type, metadata={LABELS: "\n".join(labels)})
    return pa.table(made).append_column(field, soft)


def _paired(table: pa.Table, evaluator: Words, seed: tuple[int, int]) -> pa.Table:
    """With a partner for each word that counts, and how alike the evaluator finds the two."""
    words = TokenColumn.read(table["tokens"])
    vectors, there = evaluator.vectors(words)
    counts: Bool = TokenColumn.read(table["taught"]).values.to_numpy(zero_copy_only=False)
    partner = teachers.partners(words.offsets, counts & there, seed)
    similarity = teachers.similarity(vectors, partner)
    row = np.repeat(words.offsets[:-1], words.lengths)
    inside = np.where(partner == teachers.ALONE, teachers.ALONE, partner - row).astype(np.int32)
    for name, values in (("partner", inside), ("similarity", similarity.astype(np.float16))):
        table = table.append_column(name, build_list(words.offsets, pa.array(values), words.valid))
    return table
