"""Which of the package's source files a piece of code can see: those that it imports."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


@cache
def imported_modules(code: str) -> frozenset[str]:
    """Dotted names that Python code imports, inside functions too.

    After `from a import b`, b may be a module: both names are given.

    >>> sorted(imported_modules("import numpy as np\\nfrom histmatch_lab import color"))
    ['histmatch_lab', 'histmatch_lab.color', 'numpy']
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def modules_seen_by(names: Iterable[str], package: Path = PACKAGE) -> list[Path]:
    """The package's files that an import of these modules reads, directly or through others.

    Names of other packages, and of what is no module, are passed over.

    Args:
        names: dotted, such as "histmatch_lab.training.loop".
        package: the folder of the package; its name is where the dotted names begin.

    Returns:
        Sorted paths.
    """
    seen: set[Path] = set()
    waiting = [file for name in names for file in _files_of(name, package)]
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        imported = imported_modules(file.read_text(encoding="utf-8"))
        waiting += [found for name in imported for found in _files_of(name, package)]
    return sorted(seen)


def source_digest(files: Iterable[Path], package: Path = PACKAGE) -> str:
    """A SHA-256 of the files' places in the package and their text."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(package).as_posix().encode() + b"\0")
        digest.update(file.read_text(encoding="utf-8").encode() + b"\0")
    return digest.hexdigest()


def _files_of(name: str, package: Path) -> Iterator[Path]:
    """The module's file, and the `__init__.py` of each package above it, which runs before."""
    first, *parts = name.split(".")
    if first != package.name:
        return
    place = package
    yield place / "__init__.py"
    for part in parts:
        place /= part
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.exists():
                yield file
