"""Made-up labelled sentences to train small models on."""

import random

import pyarrow as pa

from xproj.columns import EntityColumn

PEOPLE = ["Asha Njoroge", "Peter", "Maria Lopez", "Juma", "Anna Schmidt", "Li Wei", "Fatima", "John Baker"]
PLACES = ["Nairobi", "Berlin", "New York", "Lake Victoria", "Paris", "Mombasa", "Spain", "Addis Ababa"]
FIRMS = ["Acme Ltd", "the World Bank", "Siemens", "United Nations", "Kenya Airways", "Greenpeace"]
PATTERNS = [
    "yesterday PER flew to LOC",
    "PER works for ORG in LOC",
    "ORG opened an office in LOC",
    "we met PER and PER near LOC",
    "the rain did not stop",
    "ORG hired PER last week",
    "many people live in LOC",
    "nobody knew what to say about it",
]


def labelled_sentences(count: int, seed: int = 0) -> pa.Table:
    """Made-up labelled English sentences, as a table of tokens and entities."""
    rng = random.Random(seed)
    names = {"PER": PEOPLE, "LOC": PLACES, "ORG": FIRMS}
    tokens, entities = [], []
    for _ in range(count):
        words, spans = [], []
        for part in rng.choice(PATTERNS).split():
            chosen = rng.choice(names[part]).split() if part in names else [part]
            if part in names:
                spans.append((len(words), len(words) + len(chosen), part))
            words += chosen
        tokens.append([*words, "."])
        entities.append(spans)
    return pa.table({"tokens": tokens, "entities": EntityColumn.of(entities).write()})
