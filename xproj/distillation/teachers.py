"""Teachers: a model that reads the text, or a projection, a corpus that has labels for the same sentences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xproj import corpora, store, taggers
from xproj.columns import EntityColumn, TokenColumn, combine, flatten
from xproj.core.labels import OUTSIDE, label_space, relabel
from xproj.core.teachers import one_hot, renumber, smooth
from xproj.errors import CorpusError, RecipeError
from xproj.schema import check_spans, conform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xproj.columns import Bool
    from xproj.recipe import Distill, Runtime, Teacher, Train

PROJECTED = ("id", "target_tokens", "target_entities")
LOST = "lost_spans"
BETWEEN = "\x1f"  # between the words of a sentence, in a key


class Labeller(Protocol):
    """A teacher that is opened; `labels` is its IOB2 label space, `O` first."""

    name: str
    labels: tuple[str, ...]

    def answer(self, table: pa.Table) -> tuple[np.ndarray, Bool]:
        """What it says of the words of a table with `id` and `tokens`.

        Returns:
            Probabilities (words, labels) float32, and which words it says anything of, (words,).
        """
        ...


def open_all(settings: Train, distill: Distill, data: Path, runtime: Runtime | None = None) -> list[Labeller]:
    """The teachers of a recipe.

    Args:
        settings: the table `[train]`, whose `labels` rename and drop those of models too, and whose `lost_entities` say
            whether a projection says anything of words on which a lost entity may lie.
        distill: its table `[train.distill]`.
        data: the labels of a teacher that is neither a model nor another corpus.
        runtime: where models run.

    Raises:
        RecipeError: teachers with different labels.
        XprojError: one of them cannot be read.
    """
    mask = settings.lost_entities != "keep"
    opened: list[Labeller] = [
        Model(name, teacher, settings.labels, distill.smoothing, runtime)
        if teacher.model is not None
        else Projection(name, Path(teacher.path or data), settings.labels, distill.smoothing, mask=mask)
        for name, teacher in distill.teachers.items()
    ]
    first, *others = opened
    for other in others:
        try:
            renumber(other.labels, first.labels)
        except ValueError as error:
            raise RecipeError(
                f"[train.distill] the labels of teacher {other.name!r} differ from those of {first.name!r}: it "
                f'{error}; rename or drop labels with [train] labels, e.g. {{"DATE" = "O"}}'
            ) from error
    return opened


class Model:
    """A tagger; the rows of one that only decides are smoothed."""

    def __init__(
        self, name: str, teacher: Teacher, rename: Mapping[str, str], smoothing: float, runtime: Runtime | None
    ) -> None:
        self.name = name
        self._tagger = taggers.open(teacher.tagger, str(teacher.model), runtime=runtime)
        self._smoothing = 0.0 if self._tagger.probabilistic else smoothing
        types = {label[2:] for label in self._tagger.labels if label != OUTSIDE}
        self.labels = label_space({rename.get(kind, kind) for kind in types} - {OUTSIDE})
        self._columns = _mapping(self._tagger.labels, self.labels, rename)

    def answer(self, table: pa.Table) -> tuple[np.ndarray, Bool]:
        """See `Labeller`; it has read every word."""
        words = TokenColumn.read(table["tokens"])
        rows = self._tagger.probabilities([row or [] for row in words.rows()])
        found = np.concatenate([np.zeros((0, len(self._tagger.labels)), np.float32), *rows]) @ self._columns
        return smooth(found, self._smoothing), np.ones(len(found), dtype=bool)


def _mapping(theirs: Sequence[str], ours: Sequence[str], rename: Mapping[str, str]) -> np.ndarray:
    """The matrix (their labels, our labels) that adds up the probabilities of labels that become one."""
    matrix = np.zeros((len(theirs), len(ours)), dtype=np.float32)
    for k, label in enumerate(theirs):
        kind = rename.get(label[2:], label[2:]) if label != OUTSIDE else OUTSIDE
        matrix[k, ours.index(OUTSIDE if kind == OUTSIDE else f"{label[:2]}{kind}")] = 1.0
    return matrix


class Projection:
    """A corpus with labels, whose sentences are found by id and words, else by words alone.

    It is kept in memory as columns: words, entities, and with `mask` where a lost entity may lie: of such words outside
    of entities it says nothing.

    Raises:
        CorpusError: it cannot be read, or has no entity.
    """

    def __init__(
        self, name: str, path: Path, rename: Mapping[str, str], smoothing: float, *, mask: bool = False
    ) -> None:
        self.name, self._path, self._smoothing = name, path, smoothing
        table = pa.concat_tables(_read(path, rename), promote_options="default").combine_chunks()
        table = table.filter(pc.is_valid(table["entities"]))
        self._ids, self._keys = combine(table["id"]), _keys(table["tokens"])
        self._entities = combine(table["entities"])
        self._lost = combine(table[LOST]) if mask and LOST in table.column_names else None
        self.labels = label_space(EntityColumn.read(self._entities).names)
        self.matched = 0
        if len(self.labels) == 1:
            raise CorpusError(f"{path}: no entity in it, so teacher {name!r} teaches nothing; correct the path")

    def answer(self, table: pa.Table) -> tuple[np.ndarray, Bool]:
        """See `Labeller`; it says nothing of sentences that it does not have."""
        keys = _keys(table["tokens"])
        row = pc.index_in(combine(table["id"]), value_set=self._ids)
        same = pc.fill_null(pc.equal(self._keys.take(row), keys), False)
        row = pc.if_else(same, row, pc.index_in(keys, value_set=self._keys))
        words = TokenColumn.read(table["tokens"])
        entities = EntityColumn.read(self._entities.take(row))
        found = one_hot(entities, words.offsets, self.labels)
        said = np.repeat(entities.valid, words.lengths)
        if self._lost is not None:
            said &= ~(covered(self._lost.take(row), words) & (found[:, 0] == 1))
        self.matched += int(entities.valid.sum())
        return smooth(found, self._smoothing), said

    def check(self) -> None:
        """Refuse a projection that had none of the sentences, once all are read.

        Raises:
            CorpusError: names it.
        """
        if not self.matched:
            raise CorpusError(
                f"{self._path}: has none of the sentences that teacher {self.name!r} should label; "
                "give a projection of the same text"
            )


def covered(spans: pa.Array, words: TokenColumn) -> Bool:
    """Which words, (words,), lie in a span of their row; spans may reach past its end."""
    offsets, values, _ = flatten(spans)
    row = np.repeat(np.arange(len(words)), np.diff(offsets))
    start, end = (pc.struct_field(values, name).to_numpy(zero_copy_only=False) for name in ("start", "end"))
    change = np.zeros(len(words.values) + 1, dtype=np.int64)
    for place, step in ((start, 1), (end, -1)):
        np.add.at(change, words.offsets[row] + np.minimum(place, words.lengths[row]), step)
    return np.asarray(np.cumsum(change)[:-1] > 0)


def _keys(tokens: pa.ChunkedArray) -> pa.Array:
    return pc.binary_join(combine(tokens), BETWEEN)


def _read(path: Path, rename: Mapping[str, str]) -> Iterator[pa.Table]:
    """The sentences of a projected table, or of any labelled corpus."""
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path] if path.suffix == ".parquet" else []
    if not files or "target_entities" not in _columns(files[0]):
        for table in corpora.read_labelled(path, labels=rename):
            yield table.select([name for name in ("id", "tokens", "entities", LOST) if name in table.column_names])
        return
    for file in files:
        with store.open_parquet(file) as opened:
            for batch in opened.iter_batches(columns=[name for name in PROJECTED if name in opened.schema_arrow.names]):
                table = conform(pa.Table.from_batches([batch]), PROJECTED, where=str(file))
                check_spans(table, "target_entities", "target_tokens", str(file))
                entities = relabel(EntityColumn.read(table["target_entities"]), rename).write()
                yield pa.table({"id": table["id"], "tokens": table["target_tokens"], "entities": entities})


def _columns(file: Path) -> list[str]:
    with store.open_parquet(file) as opened:
        return list(opened.schema_arrow.names)
