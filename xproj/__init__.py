"""xproj: labelled corpora for languages that nobody has labelled, by annotation projection."""

__version__ = "0.1.0"
