"""What a sweep runs: a YAML file of parameters, and every combination of them.

    loss: [l2, l2+vgg, l2+histmatch]
    lam: [0.1, 1, 10]
    bins: [50, 256]
    seed: 0

A file may also be a list of such grids, which are joined. What a loss does not have (the bins of
l2) is left out, and what is then the same is one run: the grid above has 1 + 3 + 6.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from histmatch_lab._checks import import_extra
from histmatch_lab.data.tasks import TASKS, open_pairs
from histmatch_lab.recipe import Recipe
from histmatch_lab.training.harness import code_hash, data_hash


class Job(NamedTuple):
    """A recipe to run, and what its numbers depend on beside it.

    Attributes:
        recipe: what to train.
        code: the hash of the source files that its training can see.
        data: the hash of its data.
    """

    recipe: Recipe
    code: str
    data: str

    @classmethod
    def here(cls, recipe: Recipe) -> "Job":
        """With the code and the data of this machine."""
        return cls(recipe, code_hash(), data_hash(recipe.data))

    @property
    def key(self) -> str:
        """The name of its result: another one as soon as a parameter, code or data is another."""
        facts = json.dumps([self.recipe.parameters | {"data": self.data}, self.code])
        digest = hashlib.sha256(facts.encode()).hexdigest()
        return f"{self.recipe.name}-seed{self.recipe.seed}-{digest[:12]}"


def read_sweep(path: Path) -> tuple[Recipe, ...]:
    """The runs of a sweep's file, in its order, each once.

    Raises ValueError, which names the file and the parameter, for what cannot be run;
    ModuleNotFoundError, which says what to install, without PyYAML.
    """
    yaml = import_extra("yaml", "reads the file of a sweep", "cluster")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        grids = content if isinstance(content, list) and content else [content]
        return tuple(dict.fromkeys(run for grid in grids for run in _expand(grid)))
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise ValueError(f"{path} must be YAML: {problem}") from None
    except (TypeError, ValueError) as problem:
        raise ValueError(f"{path}: {problem}") from None


def _expand(grid: Any) -> Iterator[Recipe]:
    """Every combination of a grid's values, the last parameter the quickest to change."""
    if not isinstance(grid, dict) or not grid:
        raise ValueError(f"a grid must be lines of NAME: VALUE or NAME: [VALUES], got {grid!r}")
    known = [field.name for field in fields(Recipe)]
    if unknown := [name for name in grid if name not in known]:
        raise ValueError(f"a parameter must be one of {', '.join(known)}, got {unknown[0]!r}")
    choices = [values if isinstance(values, list) else [values] for values in grid.values()]
    if [] in choices:
        name = list(grid)[choices.index([])]
        raise ValueError(f"{name} must be a value or a list of at least one, got []")
    for combination in product(*choices):
        yield _located(Recipe(**dict(zip(grid, combination, strict=True))).reduced())


def _located(recipe: Recipe) -> Recipe:
    """With a folder of data, which must be there, by its whole path, which workers need."""
    if recipe.data not in TASKS:
        recipe = replace(recipe, data=str(Path(recipe.data).expanduser().resolve()))
    open_pairs(recipe.data, recipe.crop)
    return recipe
