"""How good a projection, a tagger or an aligner is, counted table by table.

Counts add up (`a + b`), so shards are counted apart and merged in any order; scores are computed once from the sums.
"""

from xproj.evaluation.aligned import GoldLinks, LinkScores, links, read_gold_links
from xproj.evaluation.projected import ProjectionCounts, ProjectionScores, projection
from xproj.evaluation.report import Scores, table
from xproj.evaluation.spans import (
    ComparisonScores,
    Familiar,
    SpanScore,
    TaggingScores,
    compare,
    count_spans,
    tagging,
)

__all__ = [
    "ComparisonScores",
    "Familiar",
    "GoldLinks",
    "LinkScores",
    "ProjectionCounts",
    "ProjectionScores",
    "Scores",
    "SpanScore",
    "TaggingScores",
    "compare",
    "count_spans",
    "links",
    "projection",
    "read_gold_links",
    "table",
    "tagging",
]
