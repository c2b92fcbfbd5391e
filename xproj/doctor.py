"""Is this installation sound? Versions, optional packages, and places that must be writable."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from xproj import __version__

REQUIREMENT = re.compile(r"""([A-Za-z0-9._-]+)(?:\[[^]]*\])?[^;]*(?:;.*extra\s*==\s*["']([^"']+)["'])?""")


@dataclass(frozen=True)
class Check:
    """One finding; `ok` is None where nothing is wrong but something could be added."""

    what: str
    ok: bool | None
    detail: str


def examine(runs: Path) -> list[Check]:
    """All findings: Python, the packages of the core, each extra, the kernel cache, the folder of runs, a sentence."""
    packages = _requirements()
    checks = [Check("python", True, platform.python_version()), Check("xproj", True, __version__)]
    checks += [_core(name) for name in packages.pop("", [])]
    checks += [_extra(extra, names) for extra, names in sorted(packages.items())]
    checks.append(_writable("kernel cache", Path(os.environ.get("NUMBA_CACHE_DIR") or Path(__file__).parent / "core")))
    checks.append(_writable("runs", runs))
    checks.append(_apertium())
    checks += _engines()
    checks.append(_self_test())
    return checks


def _apertium() -> Check:
    """The program and its modes; it is optional."""
    from xproj.translators import apertium

    modes = apertium.installed_modes()
    if modes:
        return Check("apertium", True, f"modes {', '.join(modes)}")
    if shutil.which(apertium.PROGRAM) is None:
        return Check("apertium", None, "missing; apt-get install apertium apertium-eng-spa (one package per pair)")
    return Check("apertium", None, "no modes; apt-get install apertium-eng-spa (one package per pair)")


def _engines() -> list[Check]:
    """What runs seq2seq models, and why not; all of it is optional."""
    from xproj.translators import engines

    if _installed("torch") is None or _installed("transformers") is None:
        hf = Check("engine hf", None, "torch or transformers is missing; pip install 'xproj[models]'")
    else:
        import torch

        gpus = ", ".join(torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count()))
        threads = f"{torch.get_num_threads()} threads"
        hf = Check(
            "engine hf", True, f"torch {torch.__version__} on the CPU ({threads}){f' and {gpus}' if gpus else ''}"
        )
    return [hf, *(Check(f"engine ct2, {device}", *found) for device, found in engines.report().items())]


def _self_test() -> Check:
    """Align and project a sentence pair; the first time this compiles the kernels, which are then kept."""
    import pyarrow as pa

    from xproj import aligners, projection, recipe
    from xproj.columns import EntityColumn, TokenColumn

    began = time.monotonic()
    words = [["Anna", "lives", "in", "Graz", "."]], [["Anna", "wohnt", "in", "Graz", "."]]
    source, target = (TokenColumn.of(list(side)) for side in words)
    settings, languages = recipe.Align(), ("eng_Latn", "deu_Latn")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "fit"
        aligners.open(settings).fit([(source, target)], languages=languages, output=output)
        links = aligners.open(settings, fitted=output).align(source, target, languages=languages).write()
    entities = EntityColumn.of([[(0, 1, "PER"), (3, 4, "LOC")]]).write()
    columns = {"id": ["1"], "source_tokens": words[0], "target_tokens": words[1], "source_predicted": [False]}
    table = pa.table(columns | {"source_entities": entities, "links": links})
    projected = projection.project(table, recipe.Project()).target_entities.to_pylist()[0]
    found = [(entity["start"], entity["label"]) for entity in projected]
    detail = f"aligned and projected a sentence in {time.monotonic() - began:.1f} s"
    return Check("self-test", found == [(0, "PER"), (3, "LOC")], detail)


def _requirements() -> dict[str, list[str]]:
    """Package names by extra; those of the core under the empty name."""
    found: dict[str, list[str]] = {}
    for line in requires("xproj") or ():
        match = REQUIREMENT.match(line)
        assert match is not None
        found.setdefault(match[2] or "", []).append(match[1])
    return found


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _core(name: str) -> Check:
    found = _installed(name)
    return Check(name, found is not None, found or "missing; pip install xproj")


def _extra(extra: str, names: list[str]) -> Check:
    missing = [name for name in names if _installed(name) is None]
    if not missing:
        return Check(f"[{extra}]", True, ", ".join(f"{name} {_installed(name)}" for name in names))
    return Check(f"[{extra}]", None, f"missing {', '.join(missing)}; pip install 'xproj[{extra}]'")


def _writable(what: str, folder: Path) -> Check:
    existing = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return Check(what, True, str(folder))
    except OSError as error:
        return Check(what, False, f"{existing}: {error.strerror}; set NUMBA_CACHE_DIR or --runs to a place of your own")
