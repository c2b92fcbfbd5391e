"""Models that several test modules share, trained on sentences written here."""

import pytest
from sentences import labelled_sentences

from xproj import recipe, taggers
from xproj.languages import lookup


@pytest.fixture(scope="session")
def spacy_model(tmp_path_factory):
    """The folder of a small spaCy tagger that knows PER, LOC and ORG."""
    folder = tmp_path_factory.mktemp("models") / "spacy"
    settings = recipe.Train(epochs=8)
    taggers.train("spacy", [labelled_sentences(150)], settings=settings, language=lookup("eng_Latn"), output=folder)
    return folder


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory):
    """Where `small_models` builds its encoders, once per session."""
    return tmp_path_factory.mktemp("encoders")
