"""Apertium, the rule-based engine of Debian: no weights, any CPU, and small languages that neural models lack.

It corrupts text silently unless it is called right. Each sentence goes in as one record of valid UTF-8 with its special
characters escaped, followed by `.[]`, by which a whole answer is known, and NUL; never as a line, because words move
across lines. Its tagger keeps state from sentence to sentence, so each call starts one process of its own and feeds it
all sentences in their order: the same texts in the same order have the same translations, not the same sentence alone.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from difflib import SequenceMatcher
from typing import IO, TYPE_CHECKING, NoReturn

import numpy as np

from xproj.core.markers import STYLES, Marked
from xproj.errors import BackendError, RecipeError
from xproj.languages import lookup
from xproj.translators import Translation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROGRAM = "apertium"
STOP, BLANK = ".", "[]"
TRAILER = STOP + BLANK
START_SECONDS = 10.0
SECONDS_EACH = 0.1
TRIES = 3
NEAREST = 5
SPELT_ALIKE = 0.7
# Debian's packages, apertium-<pair>
PACKAGES = (
    "afr-nld arg-cat bel-rus br-fr cat-ita cat-srd dan-nor en-gl eng-cat eng-spa eo-ca eo-en eo-es eo-fr es-gl es-pt "
    "es-ro eu-en eu-es fr-es fra-cat fra-frp hbs-eng hbs-mkd hbs-slv ind-zlm isl-eng isl-swe mkd-bul mkd-eng nno-nob "
    "oc-ca oc-es oci-fra pol-szl por-cat pt-gl rus-ukr spa-arg spa-ast spa-cat spa-ita srd-ita swe-dan swe-nor urd-hin"
).split()
BLANKS = STYLES["blanks"]


class ApertiumTranslator:
    """Translates by an installed mode, e.g. `eng-spa`; gives no scores, and carries marks in the style `blanks`."""

    capabilities = frozenset({"markers"})
    styles = frozenset({"blanks"})

    def __init__(self, mode: str | None = None) -> None:
        self._mode = mode

    def translate(self, texts: Sequence[str], *, source: str, target: str, n_best: int = 1) -> list[list[Translation]]:
        """One translation of each text, by one process that reads them in their order.

        Raises:
            RecipeError: no installed mode for these languages.
            BackendError: the program is missing, or does not run.
        """
        marked = self.translate_marked([Marked(text) for text in texts], source=source, target=target)
        return [[translation._replace(marked=None)] for translation in marked]

    def translate_marked(
        self, sentences: Sequence[Marked], *, source: str, target: str, markers: str = "blanks"
    ) -> list[Translation]:
        """One translation of each sentence with its raw form in `marked`; raises like `translate`."""
        if markers != "blanks":
            raise RecipeError(f"translator 'apertium': no markers {markers!r}; its markers are 'blanks'")
        rows = [row for row, sentence in enumerate(sentences) if sentence.text.strip()]
        found = [Translation("", 0.0, "translation_empty")] * len(sentences)
        if not rows:
            return found
        mode = self.mode(source, target)
        answers = _answers([BLANKS.encode(sentences[row]) for row in rows], mode)
        for row, raw in zip(rows, answers, strict=True):
            found[row] = _translation(raw)
        return found

    def score(self, sources: Sequence[str], targets: Sequence[str], *, source: str, target: str) -> np.ndarray:
        """Nothing for no texts.

        Raises:
            BackendError: there is a text.
        """
        if sources:
            raise BackendError("translator 'apertium': rules give no probabilities of given texts; choose another")
        return np.zeros(0, dtype=np.float32)

    def mode(self, source: str, target: str) -> str:
        """The installed mode for two languages, given by their codes; the one of the recipe if it names one.

        Raises:
            RecipeError: there is none, or the recipe's is of other languages; names the closest installed ones, and
                Debian's package.
            BackendError: the program is missing.
        """
        package = _package(source, target)
        if shutil.which(PROGRAM) is None:
            install = f"apt-get install {PROGRAM} {f'{PROGRAM}-{package}' if package else f'{PROGRAM}-…'}"
            raise BackendError(f"translator 'apertium': the program {PROGRAM} is missing; {install} (Debian)")
        modes = installed_modes()
        wanted = [self._mode] if self._mode else [f"{a}-{b}" for a in _codes(source) for b in _codes(target)]
        for mode in wanted:
            if mode in modes:
                _check_languages(mode, source, target)
                return mode
        return _no_mode(self._mode or f"{source} to {target}", wanted, modes, None if self._mode else package)


def installed_modes() -> list[str]:
    """The installed modes, sorted; none where the program is missing."""
    try:
        listed = subprocess.run([PROGRAM, "-l"], capture_output=True, text=True, check=False, env=_environment())
    except FileNotFoundError:
        return []
    # without any language package it prints the pattern that matched nothing
    return sorted(line.strip() for line in listed.stdout.splitlines() if line.strip() and "*" not in line)


def _no_mode(asked: str, wanted: Sequence[str], modes: Sequence[str], package: str | None) -> NoReturn:
    close = _nearest(wanted, modes)
    nearest = f"the nearest installed are {', '.join(close[:NEAREST])}" if close else ""
    install = f"apt-get install {PROGRAM}-{package}" if package else ""
    then = "; ".join(filter(None, [nearest, install])) or f"installed are {', '.join(modes) or 'none'}"
    raise RecipeError(f"[translate] translator = 'apertium': no mode for {asked}; {then}")


def _nearest(wanted: Sequence[str], modes: Sequence[str]) -> list[str]:
    """The modes that share a language with a wanted one, those on the same side of it first, or are spelt like it.

    The main mode of a pair comes before its variants, of which a pair may have many.
    """
    ranks = {}
    for mode in modes:
        pairs = [(_languages(mode), _languages(name)) for name in wanted]
        same = max(sum(here == there for here, there in zip(*pair, strict=False)) for pair in pairs)
        shared = max(len(set(here) & set(there)) for here, there in pairs)
        likeness = max(SequenceMatcher(None, name, mode).ratio() for name in wanted)
        if shared or likeness >= SPELT_ALIKE:
            ranks[mode] = (-same, -shared, "_" in mode, -likeness, mode)
    return sorted(ranks, key=lambda mode: ranks[mode])


def _languages(mode: str) -> list[str]:
    """The codes in the name of a mode, without variants: eng and cat of eng-cat_valencia."""
    return [part.partition("_")[0] for part in mode.split("-")]


def _codes(language: str) -> list[str]:
    """The codes that modes use for a language, the usual one first."""
    found = lookup(language)
    return list(found.apertium) or [found.iso639_3]


def _check_languages(mode: str, source: str, target: str) -> None:
    """Refuse a mode that names other languages, e.g. the other direction; variants (`eng-cat_valencia`) are of theirs.

    Raises:
        RecipeError: what it is a mode for, and what is asked for.
    """
    for part, language in zip(mode.split("-"), (source, target), strict=False):
        code, wanted = part.split("_")[0], lookup(language)
        if code in _codes(language):
            continue
        try:
            named = lookup(code)
        except RecipeError:  # a name of the user's own says nothing of languages
            continue
        if named.code != wanted.code:
            raise RecipeError(
                f"[translate] mode = {mode!r} is of {named.name}, where {wanted.name} is asked for ({source} to "
                f"{target}); correct mode or the languages, or leave mode out"
            )


def _package(source: str, target: str) -> str | None:
    pairs = ({f"{a}-{b}", f"{b}-{a}"} for a in _codes(source) for b in _codes(target))
    return next((name for pair in pairs for name in PACKAGES if name in pair), None)


def _translation(raw: str | None) -> Translation:
    if raw is None:
        return Translation("", 0.0, "translation_error")
    text = BLANKS.decode(raw).text
    return Translation(text, 0.0, "ok" if text else "translation_empty", raw)


def _answers(records: Sequence[str], mode: str) -> list[str | None]:
    """The answer to each record; None where the engine has none, even when it is asked for that one alone.

    Raises:
        BackendError: it answers nothing at all.
    """
    answers: list[str | None] = []
    failed = 0
    while len(answers) < len(records):
        found = _run(records[len(answers) :], mode)
        answers += found
        if len(answers) == len(records):
            break
        alone = _run(records[len(answers) : len(answers) + 1], mode)
        failed = 0 if found or alone else failed + 1
        if failed and failed % TRIES == 0 and not _run(["."], mode):
            raise BackendError(
                f"translator 'apertium': mode {mode} has stopped answering; try `echo test | apertium {mode}`"
            )
        answers += alone or [None]
    return answers


def _run(records: Sequence[str], mode: str) -> list[str]:
    """The answers of a new process to the first records, in order, as many as are whole; its time is limited."""
    command = [PROGRAM, "-u", "-z", "-f", "none", mode]
    sent = b"".join(f"{record}{TRAILER}\0".encode() for record in records)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            env=_environment(),
        )
        assert process.stdin is not None and process.stdout is not None
        writer = threading.Thread(target=_write, args=(process.stdin, sent), daemon=True)
        try:
            writer.start()
            end = time.monotonic() + START_SECONDS + SECONDS_EACH * len(records)
            received = b"".join(_read(process.stdout, end))
        finally:
            # the program is a shell script with a process for each stage: all of them must go
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            writer.join()
            process.stdout.close()
    return list(_whole(received, len(records)))


def _whole(received: bytes, n: int) -> Iterator[str]:
    """The answers up to the first that is cut off or not UTF-8; each stage adds an empty one when it ends.

    The blank says that an answer is whole. The full stop before it may be gone: a last word that is an abbreviation
    with it (`No`, `Mr`) takes it along.
    """
    for answer in received.split(b"\0")[:-1][:n]:
        try:
            text = answer.decode()
        except UnicodeDecodeError:
            return
        if not text.endswith(BLANK):
            return
        yield text.removesuffix(BLANK).removesuffix(STOP)


def _write(stream: IO[bytes], data: bytes) -> None:
    """Write all and close: a thread of its own, because the answers must be read at the same time."""
    with suppress(BrokenPipeError), stream:
        stream.write(data)


def _read(stream: IO[bytes], end: float) -> Iterator[bytes]:
    """What can be read until the stream or the time ends; `end` is a time of the monotonic clock."""
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([stream], [], [], left)
        data = os.read(stream.fileno(), 1 << 16) if ready else b""
        if not data:
            return
        yield data


def _environment() -> dict[str, str]:
    """The environment without what changes its answers; any locale will do that has UTF-8."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "AP_", "LANG"))}
    return kept | {"LC_ALL": "C.UTF-8"}
