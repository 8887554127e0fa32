"""What a sweep runs: a YAML file of parameters, and every combination of them.

    loss: [l2, l2+vgg, l2+histmatch]
    lam: [0.1, 1, 10]
    bins: [50, 256]
    seed: 0

A file may also be a list of such grids, which are joined. What a loss does not have (the bins of
l2) is left out, and what is then the same is one run: the grid above has 1 + 3 + 6.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from histmatch_lab._checks import check_option
from histmatch_lab._extras import import_extra
from histmatch_lab.data.pairs import PairSource
from histmatch_lab.data.retouch import EXPERTS
from histmatch_lab.data.sources import open_pairs
from histmatch_lab.losses import EnhancementLoss, terms_of
from histmatch_lab.recipe import NETWORKS, PRESETS, Preset
from histmatch_lab.results.shipped import Recipe

_KINDS: dict[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "a text"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
}


@dataclass(frozen=True)
class Settings(Recipe):
    """One run: a Recipe, and what is trained with it on what.

    Attributes:
        data: an expert of `ScenePairs`, or a folder that `histmatch-lab prepare` wrote.
        crop: side of the training crops, in pixels.
        network: "compact" or "paper".
        preset: one of `PRESETS`.
        epochs: instead of the preset's; 0 for the preset's.
        seed: of the network's first weights and of the batches.
    """

    data: str = "local"
    crop: int = 160
    network: str = "compact"
    preset: str = "quick"
    epochs: int = 0
    seed: int = 0

    @property
    def schedule(self) -> Preset:
        preset = PRESETS[self.preset]
        return replace(preset, epochs=self.epochs or preset.epochs)

    @property
    def parameters(self) -> dict[str, Any]:
        """All of it by name, without what the loss does not have."""
        of_loss = {field.name for field in fields(Recipe)} - {"loss"}
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in of_loss or field.name in self.options
        }

    def reduced(self) -> "Settings":
        """The same run, with its epochs, and with what its loss does not have at the defaults."""
        return Settings(**self.parameters | {"epochs": self.schedule.epochs})

    def pairs(self) -> PairSource:
        return open_pairs(self.data, self.crop)


def read_sweep(path: Path) -> tuple[Settings, ...]:
    """The runs of a sweep's file, in its order, each once.

    Raises ValueError, which names the file and the parameter, for what cannot be run;
    ModuleNotFoundError, which says what to install, without PyYAML.
    """
    yaml = import_extra("yaml", "PyYAML", "reads the file of a sweep", "cluster")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        grids = content if isinstance(content, list) and content else [content]
        return tuple(dict.fromkeys(run for grid in grids for run in _expand(grid)))
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise ValueError(f"{path} is no YAML: {problem}") from None
    except (TypeError, ValueError) as problem:
        raise ValueError(f"{path}: {problem}") from None


def _expand(grid: Any) -> Iterator[Settings]:
    """Every combination of a grid's values, the last parameter the quickest to change."""
    if not isinstance(grid, dict) or not grid:
        raise ValueError(f"a grid is {grid!r}; wanted are lines of NAME: VALUE or NAME: [VALUES]")
    kinds = {field.name: field.type for field in fields(Settings)}
    if unknown := [name for name in grid if name not in kinds]:
        raise ValueError(f"no parameter is called {unknown[0]}; known: {', '.join(kinds)}")
    if "loss" not in grid:
        raise ValueError("loss is missing; wanted is one such as l2+histmatch, or a list")
    choices = []
    for name, values in grid.items():
        values = values if isinstance(values, list) else [values]
        if not values:
            raise ValueError(f"{name} is an empty list; wanted is at least one value")
        choices.append([_typed(name, value, kinds[name]) for value in values])
    for values in product(*choices):
        yield _checked(Settings(**dict(zip(grid, values, strict=True)))).reduced()


def _typed(name: str, value: Any, kind: Any) -> Any:
    allowed, wanted = _KINDS[kind]
    if not isinstance(value, allowed) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; wanted is {wanted}")
    return kind(value)


def _checked(run: Settings) -> Settings:
    """The run, with a folder of data by its whole path, which workers elsewhere need."""
    try:
        terms_of(run.loss)
    except ValueError as problem:
        raise ValueError(f"loss: {problem}") from None
    every = replace(run, loss="l2+histmatch")  # has all options; and vgg would ask for its weights
    EnhancementLoss(every.loss, **every.options)
    check_option("network", run.network, NETWORKS)
    check_option("preset", run.preset, PRESETS)
    for name in ("epochs", "seed"):
        if getattr(run, name) < 0:
            raise ValueError(f"{name} is {getattr(run, name)}; wanted is 0 or more")
    if run.data not in EXPERTS:
        run = replace(run, data=str(Path(run.data).expanduser().resolve()))
    run.pairs()
    return run
