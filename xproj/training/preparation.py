"""From sentences that were read to those that are learned: checked, capped without entities, languages mixed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xproj.errors import CorpusError, RecipeError
from xproj.training.labelled import label_types

if TYPE_CHECKING:
    from xproj.columns import Float32
    from xproj.training.labelled import Reader, Sentences

ENOUGH = 100  # sentences in which a label in use may be expected to occur


def prepare(found: Sentences, reader: Reader) -> Sentences:
    """The sentences to learn from: those without entities capped, languages mixed.

    Args:
        found: what was read.
        reader: who has read it; it says what the numbers mean, and counts what is left out.

    Raises:
        CorpusError: nothing to learn from.
        RecipeError: corpora with different labels.
    """
    settings = reader.settings
    _check(found, reader)
    if settings.max_unlabelled is not None:
        found = _capped(found, reader, settings.max_unlabelled)
    if settings.temperature != 1:
        weights = _language_weights(found, len(reader.languages), settings.temperature)
        found = replace(found, weights=found.weights * weights)
    if not (found.weights > 0).any():
        raise CorpusError("training data: no word has a weight above 0; look at confidences and corpus weights")
    return found


def _check(found: Sentences, reader: Reader) -> None:
    counts, distill = reader.counts, reader.settings.distill
    if not len(found):
        what = f"no sentence to learn from ({counts.skipped_sentences} without words or labels"
        what += f", {counts.lost_sentences} that lost an entity)" if counts.lost_sentences else ")"
    elif (found.tags > 0).any():
        _check_corpora(found, reader)
        return
    elif found.soft is not None and distill is not None:
        raise CorpusError(
            f"[train.distill] the teachers ({', '.join(distill.teachers)}) find no entity in any of {len(found)} "
            "sentences; give teachers that know this language, or another text"
        )
    else:
        what = f"no entity in any of {len(found)} sentences"
    raise CorpusError(f"training data: {what}; give a corpus with labelled sentences")


def _check_corpora(found: Sentences, reader: Reader) -> None:
    """All corpora must be labelled with the same types: what one does not label is an entity in another.

    Raises:
        RecipeError: they are not.
    """
    names, own = list(reader.corpora), _types(found, reader)
    for c in range(1, len(names)):
        more, less = sorted(own[c] - own[0]), sorted(own[0] - own[c])
        if more:
            what = f"has the labels {', '.join(more)}, which the first corpus lacks ({', '.join(sorted(own[0]))})"
        elif less and np.count_nonzero(found.corpus == c) >= ENOUGH:
            what = f"lacks the labels {', '.join(less)} of the first corpus"
        else:
            continue
        raise RecipeError(
            f"[train.corpora.{names[c]}] {what}, so its words would be taught as both; rename or drop labels with "
            f'labels = {{{(more or less)[0]} = "O"}} in [train]'
        )


def _types(found: Sentences, reader: Reader) -> list[set[str]]:
    """The types of entities that each corpus labels."""
    types, of_word = list(reader.types), np.repeat(found.corpus, found.words.lengths)
    own: list[set[str]] = []
    for c in range(len(reader.corpora)):
        tags = np.unique(found.tags[of_word == c])
        own.append({types[(tag - 1) // 2] for tag in tags.tolist() if tag})
    if found.soft is not None:
        # teachers may know a label that they give nowhere
        for c in np.unique(of_word[found.soft.taught]):
            own[c].update(label_types(found.soft.labels))
    return own


def _capped(found: Sentences, reader: Reader, most: float) -> Sentences:
    """At most so many sentences without entities for each one with some, drawn with the seed."""
    with_some = found.labelled_rows()
    without = np.flatnonzero(~with_some)
    allowed = int(most * np.count_nonzero(with_some))
    if len(without) <= allowed:
        return found
    drawn = np.random.default_rng((reader.settings.seed, 2)).permutation(without)[:allowed]
    keep = with_some.copy()
    keep[drawn] = True
    left = found.take(np.flatnonzero(keep))
    counts = reader.counts
    counts.unlabelled_sentences = len(found) - len(left)
    counts.sentences, counts.words = len(left), len(left.tags)
    return left


def _language_weights(found: Sentences, languages: int, temperature: float) -> Float32:
    """What brings the share of each language from n to n^(1/T), (words,); the mean over sentences is 1."""
    sizes = np.bincount(found.language, minlength=languages).astype(np.float64)
    there = sizes > 0
    share = np.zeros_like(sizes)
    share[there] = sizes[there] ** (1 / temperature)
    each = np.zeros_like(sizes)
    each[there] = share[there] / share.sum() * len(found) / sizes[there]
    return np.repeat(each[found.language], found.words.lengths).astype(np.float32)
