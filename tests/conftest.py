"""Models that several test modules share, trained on sentences written here."""

import hypothesis
import pytest
import small_models
from sentences import labelled_sentences

from xproj import recipe, taggers
from xproj.languages import lookup

# the first call of a kernel may compile it, and machines are shared: no test is timed
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


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


@pytest.fixture(scope="session")
def transformers_model(models_folder):
    """The folder of a small token classifier that knows PER, LOC and ORG."""
    pytest.importorskip("transformers")
    return small_models.classifier(models_folder)


@pytest.fixture(scope="session")
def translator_model(models_folder):
    """The folder of a small translation model that knows a few sentences of English and German."""
    return small_models.translator(models_folder)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory):
    """Nothing is written into the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XPROJ_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
