"""Is this installation sound? Versions, optional packages, and places that must be writable."""

from __future__ import annotations

import os
import platform
import re
import tempfile
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
    """All findings: Python, the packages of the core, each extra, the kernel cache, the folder of runs."""
    packages = _requirements()
    checks = [Check("python", True, platform.python_version()), Check("xproj", True, __version__)]
    checks += [_core(name) for name in packages.pop("", [])]
    checks += [_extra(extra, names) for extra, names in sorted(packages.items())]
    checks.append(_writable("kernel cache", Path(os.environ.get("NUMBA_CACHE_DIR") or Path(__file__).parent / "core")))
    checks.append(_writable("runs", runs))
    return checks


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
