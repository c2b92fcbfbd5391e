"""What a dictionary brings the statistical aligner: F1 on gold with and without FreeDict's.

    apt-get install dict-freedict-eng-deu dict-freedict-eng-spa …
    python benchmarks/dictionaries.py [--folder /usr/share/dictd]

The dictionaries of the Debian packages dict-freedict-eng-* are written as TSV, an entry for each translation. Corpora
are those of `quality`, settings the defaults but for `align.dictionary`. Languages whose package is not installed are
left out.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import quality
from rich.console import Console
from rich.table import Table

from xproj import recipe
from xproj.languages import lookup

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# words of an entry; longer ones are explanations
LONGEST = 4


def main() -> None:
    """Print a row for each corpus whose language has a dictionary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("/usr/share/dictd"), help="where the dictionaries are")
    folder = parser.parse_args().folder
    data = Path(os.environ.get("XPROJ_DATA", ""))
    printed = Table("corpus", "", "entries", "without", "with", title="F1")
    with tempfile.TemporaryDirectory() as written:
        for corpus in quality.gold_corpora(data):
            language = lookup(corpus.language)
            if (folder / f"freedict-eng-{language.code[:3]}.index").exists():
                path = Path(written) / f"{language.code}.tsv"
                if not path.exists():
                    write(folder / f"freedict-eng-{language.code[:3]}.index", path)
                printed.add_row(corpus.name, "dev" if corpus.dev else "report", *row(corpus, data, path))
    if not printed.row_count:
        raise SystemExit(f"no dictionary in {folder}; apt-get install dict-freedict-eng-deu, or name another --folder")
    Console().print(printed)


def row(corpus: quality.Corpus, data: Path, path: Path) -> list[str]:
    """The entries of a dictionary, and F1 without and with it."""
    table, code = quality.read(corpus, data), lookup(corpus.language).code
    found = []
    for settings in (recipe.Align(), recipe.Align(dictionary=str(path))):
        column, _ = quality.links(table, settings, code)
        spans = quality.score(table, column, recipe.Project()).spans
        assert spans is not None
        found.append(f"{spans.micro.f1:.3f}")
    with path.open(encoding="utf-8") as lines:
        return [f"{sum(1 for _ in lines):,}", *found]


def write(index: Path, path: Path) -> None:
    """The entries of a dictionary in the format of dictd as TSV."""
    with path.open("w", encoding="utf-8") as out:
        out.writelines(f"{head}\t{translation}\n" for head, translation in sorted(set(entries(index))))


def entries(index: Path) -> Iterator[tuple[str, str]]:
    """Headword and translation: the lines under a headword, without numbers, remarks and examples."""
    bodies = gzip.decompress(index.with_suffix(".dict.dz").read_bytes())
    for line in index.read_text(encoding="utf-8").splitlines():
        name, start, size = line.split("\t")[:3]
        if name.startswith("00"):  # of the dictionary itself
            continue
        at = number(start)
        first, *rest = bodies[at : at + number(size)].decode("utf-8", "replace").split("\n")
        head = re.split(r"[/<\[(]", first)[0].strip()
        for translations in rest:
            if not translations.startswith("   ") and ":" not in translations and '"' not in translations:
                plain = re.sub(r"^\s*\d+\.|[<\[(].*?[>\])]", "", translations)
                for translation in map(str.strip, re.split("[,;]", plain)):
                    if 0 < len(head.split()) <= LONGEST and 0 < len(translation.split()) <= LONGEST:
                        yield head, translation


def number(digits: str) -> int:
    """A number as dictd writes it, in base 64."""
    value = 0
    for digit in digits:
        value = 64 * value + LETTERS.index(digit)
    return value


if __name__ == "__main__":
    main()
