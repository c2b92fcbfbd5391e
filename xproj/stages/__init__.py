"""The stages, in order: what each reads, what each adds, and how.

A stage maps the rows of a table to the columns that it adds: one row in, one row out, in the same order. A row whose
`status` is not ok passes through with nulls. Some stages first fit something on the whole corpus; silver, train and
evaluate are nothing but such a fit. Engines are opened on first use, once per process.

    corpus ─ ingest ─ translate ─ tag ─ back ─ align ─ score ─ project ─ silver ─ train
                                                                  └───────────────────── evaluate
"""

from xproj.stages.align import Align
from xproj.stages.back import Back
from xproj.stages.base import Inputs, Mapped, Stage, language_of
from xproj.stages.fits import Evaluate, Silver, Train, check_labels, score_tagger, signature
from xproj.stages.project import Project
from xproj.stages.score import Score
from xproj.stages.sentences import Ingest, Tag, TagTarget
from xproj.stages.training import train
from xproj.stages.translate import Translate

STAGES: dict[str, type[Stage]] = {
    stage.name: stage for stage in (Ingest, Translate, Tag, Back, Align, Score, Project, Silver, Train, Evaluate)
}

__all__ = [
    "STAGES",
    "Align",
    "Back",
    "Evaluate",
    "Ingest",
    "Inputs",
    "Mapped",
    "Project",
    "Score",
    "Silver",
    "Stage",
    "Tag",
    "TagTarget",
    "Train",
    "Translate",
    "language_of",
    "check_labels",
    "score_tagger",
    "signature",
    "train",
]
