"""What Google Colab lacks, installed; nothing of what it has is moved.

The set-up cell of each notebook runs this file out of a fresh clone, before anything of the course
can be imported: so it needs nothing but Python and pip.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Notebooks decode movies, their parameters ask for raw and lpips, and phones send HEIC.
EXTRAS = ("movies", "raw", "heif", "lpips")


def set_up() -> None:
    """Install what is absent, and put the clone on Python's path; twice does no more than once."""
    if missing := absent():
        print(f"Installing what Colab lacks: {', '.join(missing)}", flush=True)
        install(missing)
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))


def absent() -> list[str]:
    """The requirements in pyproject.toml of which no version at all is installed."""
    return [line for line in requirements(ROOT, *EXTRAS) if not _is_installed(line)]


def requirements(root: Path, *extras: str) -> list[str]:
    """Of the clone's pyproject.toml; without a clone, those of the installed package."""
    project = root / "pyproject.toml"
    if not project.is_file():
        return importlib.metadata.requires("histmatch-lab") or []
    import tomllib  # absent before Python 3.11, where environment.py must still answer

    table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    groups = [table["dependencies"], *map(table["optional-dependencies"].get, extras)]
    return [line for group in groups for line in group]


def install(requirements: Sequence[str]) -> None:
    """Let pip install them around what is there, each library held at the version that it has.

    Raises RuntimeError, with what pip says, if nothing fits.
    """
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "held.txt"
        held.write_text(_pip("list", "--format=freeze"), encoding="utf-8")
        _pip("install", "--constraint", str(held), *requirements)


def _is_installed(requirement: str) -> bool:
    try:
        importlib.metadata.version(re.split(r"[^\w.-]", requirement)[0])
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _pip(*arguments: str) -> str:
    command = (sys.executable, "-m", "pip", *arguments)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    set_up()
