"""Distillation: teachers label text with probabilities, which a student learns from.

teachers    models and projections, their labels mapped by name
similarity  how near the languages of the teachers are to the text
soft        the text with what all teachers say of it together, as columns in one file
"""

from xproj.distillation.soft import lessons, taught

__all__ = ["lessons", "taught"]
