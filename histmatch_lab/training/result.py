"""What a training gave: the scores of its network, what it took, and how both are kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from histmatch_lab._files import write_whole
from histmatch_lab.recipe import Recipe
from histmatch_lab.training.evaluation import Score, Summary, summarize

FILE, WEIGHTS = "result.json", "weights.safetensors"
MEASURES = Score._fields[1:]  # of each picture
# What a training took, and which code and data its numbers depend on
FACTS: dict[str, type] = {
    "steps": int,
    "resumed_at": int,  # the step after which the last of several tries went on
    "seconds": float,  # of training, since then
    "peak_mb": int,  # of the GPU's tensors, or of the whole process
    "device": str,
    "torch": str,
    "python": str,
    "code": str,
    "data_hash": str,
    "colour_cast": float,  # of the network's tone curve, see `colour_cast`
}


@dataclass(frozen=True)
class Result:
    """How good one network is, and what its training took.

    Attributes:
        name: the recipe's; or "input", "clahe" or "oracle", the baselines, which nobody trained.
        data: an expert, or a folder.
        summary: the means over the test pictures.
        scores: on each test picture; empty where only the summary was kept.
        recipe: None for a baseline.
        facts: those of `FACTS` that are known.
        weights: the file of the network, where it was kept.
    """

    name: str
    data: str
    summary: Summary
    scores: tuple[Score, ...] = ()
    recipe: Recipe | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None

    @classmethod
    def of(cls, name: str, data: str, scores: Sequence[Score], **more: Any) -> "Result":
        """With the summary of these scores."""
        return cls(name, data, summarize(scores), tuple(scores), **more)

    @classmethod
    def from_rows(cls, row: Mapping[str, Any], scores: Sequence[Mapping[str, Any]]) -> "Result":
        """From a line of a table, and the lines of its pictures; see `row` and `score_rows`."""
        texts = {name: str(value) for name, value in row.items()}
        recipe = Recipe.from_text(texts) if texts["loss"] else None
        facts = {name: kind(texts[name]) for name, kind in FACTS.items() if texts.get(name)}
        found = [
            Score(r["picture"], **{m: float(r.get(m, "nan")) for m in MEASURES}) for r in scores
        ]
        name = recipe.name if recipe else texts["recipe"]
        if found:
            return cls.of(name, texts["data"], found, recipe=recipe, facts=facts)
        summary = Summary(**{name: float(texts.get(name, "nan")) for name in Summary._fields})
        return cls(name, texts["data"], summary, recipe=recipe, facts=facts)

    @property
    def seed(self) -> int:
        return self.recipe.seed if self.recipe else 0

    def row(self) -> dict[str, Any]:
        """Its line in a table of runs; what the loss does not have is empty."""
        parameters = self.recipe.parameters if self.recipe else {"data": self.data}
        return {
            "recipe": self.name,
            **{column.name: parameters.get(column.name, "") for column in fields(Recipe)},
            **{name: round(value, 5) for name, value in self.summary._asdict().items()},
            **{name: self.facts.get(name, "") for name in FACTS},
        }

    def score_rows(self) -> list[dict[str, Any]]:
        """Its lines in a table of scores, one for each test picture."""
        return [
            {"picture": score.picture, **{m: round(getattr(score, m), 5) for m in MEASURES}}
            for score in self.scores
        ]

    def write(self, folder: Path) -> None:
        """Keep it as result.json, whole or not at all."""
        kept = {"run": self.row(), "scores": self.score_rows()}
        write_whole(folder / FILE, json.dumps(kept, indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> "Result":
        """What `write` kept; FileNotFoundError if there is nothing."""
        kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
        weights = folder / WEIGHTS
        result = cls.from_rows(kept["run"], kept["scores"])
        return replace(result, weights=weights if weights.exists() else None)
