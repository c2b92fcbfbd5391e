"""Scores as tables for people. The numbers for machines are `as_dict()` of the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xproj.evaluation.aligned import LinkScores
from xproj.evaluation.projected import ProjectionScores
from xproj.evaluation.spans import ComparisonScores, TaggingScores

if TYPE_CHECKING:
    from rich.table import Table

    from xproj.evaluation.spans import Interval, SpanScore

Scores = TaggingScores | ProjectionScores | LinkScores | ComparisonScores


def table(scores: Scores, title: str | None = None) -> Table:
    """A rich table of scores, with a line for each further fact below it."""
    match scores:
        case TaggingScores():
            return _spans(scores, title)
        case ProjectionScores():
            return _projection(scores, title)
        case LinkScores():
            return _links(scores, title)
        case ComparisonScores():
            return _comparison(scores, title)


def _stack(inner: Table | None, *lines: str) -> Table:
    """Lines of text below a table, neither of which limits the width of the other."""
    from rich.table import Table

    grid = Table.grid()
    if inner is not None:
        grid.add_row(inner)
    for line in lines:
        grid.add_row(line)
    return grid


def _table(title: str | None, first: str, *columns: str) -> Table:
    from rich.table import Table

    made = Table(title=title, title_justify="left")
    made.add_column(first)
    for name in columns:
        made.add_column(name, justify="right")
    return made


def _span_cells(score: SpanScore) -> list[str]:
    numbers = [f"{value:.3f}" for value in (score.precision, score.recall, score.f1)]
    return [*numbers, _interval(score.interval), str(score.support), str(score.predicted)]


def _interval(interval: Interval | None, sign: str = "") -> str:
    return "" if interval is None else f"{interval[0]:{sign}.3f} … {interval[1]:{sign}.3f}"


def _spans(scores: TaggingScores, title: str | None) -> Table:
    from rich.markup import escape

    made = _table(title, "label", "P", "R", "F1", "95 %", "gold", "predicted")
    lengths = {f"{name} word{'s' * (name != '1')}": score for name, score in scores.lengths.items()}
    seen = {f"{name} in training": score for name, score in scores.seen.items()}
    for part in (scores.labels, lengths, seen):
        for name, score in part.items():
            made.add_row(escape(name), *_span_cells(score))
        made.add_section()
    made.add_row("all", *_span_cells(scores.micro))
    return _stack(made, f"{scores.sentences} sentences with gold, macro F1 {scores.macro_f1:.3f}")


def _projection(scores: ProjectionScores, title: str | None) -> Table:
    lines = [f"{scores.sentences} sentences, {sum(scores.failed.values())} failed{_listed(scores.failed)}"]
    if scores.source_entities is not None:
        lines.append(
            f"{scores.source_entities} source entities, {scores.projected} projected, "
            f"{sum(scores.dropped.values())} dropped{_listed(scores.dropped)}"
        )
    if scores.unaccounted:
        lines.append(f"{scores.unaccounted} not accounted for")
    if scores.projection_ratio is not None:
        lines.append(f"projection ratio {scores.projection_ratio:.3f}")
    if scores.projection_ratio_sentences is not None:
        lines.append(f"projection ratio by sentence, against gold {scores.projection_ratio_sentences:.3f}")
    if scores.spans is None:
        return _stack(None, *([title] if title else []), *lines, "no gold labels, so no F1")
    return _stack(_spans(scores.spans, title), *lines)


def _listed(counts: dict[str, int]) -> str:
    return f" ({', '.join(f'{name} {n}' for name, n in counts.items())})" if counts else ""


def _links(scores: LinkScores, title: str | None) -> Table:
    made = _table(title, "links", "AER", "95 %", "P", "R", "F1", "sure")
    numbers = [f"{value:.3f}" for value in (scores.precision, scores.recall, scores.f1)]
    made.add_row(str(scores.links), f"{scores.aer:.3f}", _interval(scores.interval), *numbers, str(scores.sure))
    return _stack(made, f"{scores.sentences} sentences")


def _comparison(scores: ComparisonScores, title: str | None) -> Table:
    made = _table(title, "system", "P", "R", "F1", "95 %", "gold", "predicted")
    made.add_row("first", *_span_cells(scores.first))
    made.add_row("second", *_span_cells(scores.second), end_section=True)
    made.add_row("difference", "", "", f"{scores.difference:+.3f}", _interval(scores.interval, "+"), "", "")
    p_value = "" if scores.p_value is None else f", p = {scores.p_value:.3f} (approximate randomisation)"
    return _stack(made, f"{scores.sentences} sentences{p_value}")
