"""One training, stated in full: the loss and its options, the network, the data, the schedule.

The same `Recipe` is trained by `histmatch-lab train`, by a sweep and by notebooks 05 to 07. Its
defaults are those that the course recommends; where the paper has others, it says so.
"""

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, fields, replace
from typing import Any

from histmatch_lab._checks import check_option, checked_positive
from histmatch_lab.hdrnet import HDRNet, Network
from histmatch_lab.losses import EnhancementLoss, options_of
from histmatch_lab.lut import ImageAdaptiveLUT

NETWORKS: dict[str, Callable[[], Network]] = {
    "compact": HDRNet.compact,
    "paper": HDRNet.paper,
    "lut": ImageAdaptiveLUT,
}
# of the bins; centred: each 8-bit level in the middle of one of 256 (erratum 6)
RANGES = {"unit": (0.0, 1.0), "centred": (-0.5 / 255, 255.5 / 255)}
_ALWAYS_NAMED = (("bins", "k"), ("lam", "lam"))
# for readers; a term after L2's is named alone
TERM_LABELS = {
    "l2": "L2", "l1": "L1", "ssim": "SSIM", "w1": "W1 by sorting", "cramer": "Cramér",
    "sliced": "sliced W1", "vgg": "VGG", "lpips": "LPIPS", "histmatch": "histogram",
}  # fmt: skip
_KINDS = {str: "a text", int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Preset:
    """How long and how fast to learn.

    Attributes:
        epochs: in each of which there are as many training pairs as training pictures.
        batch: pairs in a step.
        rate, last_rate: Adam's learning rate at the first and at the last step; in between it
            falls by the same factor at each step.
    """

    epochs: int
    batch: int
    rate: float
    last_rate: float

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "rate", "last_rate"):
            checked_positive(name, getattr(self, name))

    def steps(self, pairs: Sized) -> int:
        """How many there are with these training pictures.

        >>> PRESETS["quick"].steps(range(20))
        400
        """
        return self.epochs * max(1, len(pairs) // self.batch)

    def rate_at(self, step: int, of: int) -> float:
        """The learning rate at a step, counted from 0, of so many."""
        return self.rate * (self.last_rate / self.rate) ** (step / max(1, of - 1))


PRESETS = {
    "quick": Preset(epochs=80, batch=4, rate=2e-3, last_rate=2e-4),
    "study": Preset(epochs=120, batch=4, rate=2e-3, last_rate=1e-4),
    "study-lut": Preset(epochs=120, batch=4, rate=1e-4, last_rate=1e-5),  # 2e-3 breaks its weights
    # 500 epochs from 1e-4 are the paper's; it names neither the batch nor where the rate ends
    "paper": Preset(epochs=500, batch=4, rate=1e-4, last_rate=1e-5),
}


@dataclass(frozen=True)
class Recipe:
    """What to train, on what, and how.

    >>> Recipe("l2+histmatch", lam=1).name
    'histmatch-k256-lam1'
    >>> Recipe("l2", bins=50).reduced() == Recipe("l2").reduced()
    True

    Attributes:
        loss: as `EnhancementLoss` takes it.
        lam: the weight of its last term. It belongs to `units`: 1 in intensity is 1/bins in the
            paper's, which are bins.
        bins, alpha, bandwidth, units, outside: of the histogram term. The paper's `outside` is
            "drop"; "clamp" pulls pixels at the ends of the range the right way.
        range: one of `RANGES`.
        network: "compact" or "paper", an HDRNet, or "lut", an ImageAdaptiveLUT, for which only the
            rates of the presets "study-lut" and "paper" are small enough.
        data: one of `data.tasks.TASKS`, or a folder that `histmatch-lab prepare` wrote.
        crop: side of the square training crops, in pixels; 0 for whole frames.
        preset: one of `PRESETS`.
        epochs: in place of the preset's; 0 for the preset's.
        seed: of the network's first weights and of the batches.

    Raises:
        ValueError, TypeError: name the field, what it must be and what it is.
    """

    loss: str = "l2+histmatch"
    lam: float = 0.1
    bins: int = 256
    alpha: float = 1000.0
    bandwidth: float = 1.0
    units: str = "intensity"
    outside: str = "clamp"
    range: str = "centred"
    network: str = "compact"
    data: str = "tonemap"
    crop: int = 0
    preset: str = "quick"
    epochs: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = _checked_kind(field.name, getattr(self, field.name), type(field.default))
            object.__setattr__(self, field.name, value)
        try:
            options_of(self.loss)
        except ValueError as problem:
            raise ValueError(f"loss: {problem}") from None
        check_option("range", self.range, RANGES)
        # a loss that needs weights would ask for them here, so the options are tried on this one
        EnhancementLoss("l2+histmatch", **self._options_of("l2+histmatch"))
        check_option("network", self.network, NETWORKS)
        check_option("preset", self.preset, PRESETS)
        for name, least in (("crop", 0), ("epochs", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, got {getattr(self, name)}")

    @classmethod
    def from_text(cls, row: Mapping[str, str]) -> "Recipe":
        """From a line of a table by the names of its columns; empty is the default.

        >>> Recipe.from_text({"loss": "l2+histmatch", "lam": "1", "bins": "", "psnr": "18.3"}).lam
        1.0
        """
        given = {field.name: type(field.default) for field in fields(cls) if row.get(field.name)}
        return cls(**{name: _parsed(row[name], kind) for name, kind in given.items()})

    @property
    def options(self) -> dict[str, Any]:
        """What this loss has of `lam` and the options of the histogram term, by name."""
        return self._options_of(self.loss)

    @property
    def name(self) -> str:
        """The loss and what differs from the defaults in its options and the network, such as "l1"
        or "histmatch-k256-lam1-drop-lut"; data, schedule and seed are not in it."""
        options = self.options
        unusual = {name for name in options if getattr(self, name) != getattr(Recipe, name)}
        parts = [self.loss.removeprefix("l2+")]
        parts += [f"{sign}{_short(options[n])}" for n, sign in _ALWAYS_NAMED if n in options]
        parts += [f"{n}{_short(options[n])}" for n in ("alpha", "bandwidth") if n in unusual]
        parts += [getattr(self, n) for n in ("units", "outside", "range") if n in unusual]
        parts += [self.network] if self.network != Recipe.network else []
        return "-".join(parts)

    @property
    def label(self) -> str:
        """What it is, for readers: what differs from L2 with the recommended histogram term, which
        is named by its lambda. "unrepaired" is without what notebook 03 repairs at the ends, "as
        printed" counts bins as well.

        >>> Recipe("l2+histmatch", lam=1, units="bins", outside="drop", range="unit").label
        'λ = 1 in bins, as printed'
        >>> Recipe("l2+cramer").label, Recipe("l2", network="lut").label
        ('L2 + Cramér', 'L2, LUT')
        """
        term, options = self.loss.removeprefix("l2+"), self.options
        parts = [f"λ = {_short(self.lam)}" + " in bins" * (self.units == "bins")]
        if term != "histmatch":
            weight = parts if "lam" in options and self.lam != Recipe.lam else []
            parts = ["L2 + " * ("+" in self.loss) + TERM_LABELS.get(term, term), *weight]
        for name, text in (("bins", "K = {}"), ("alpha", "α = {}"), ("bandwidth", "B = {}")):
            if name in options and options[name] != getattr(Recipe, name):
                parts.append(text.format(_short(options[name])))
        ends = (self.outside, self.range)
        if term == "histmatch" and ends != (Recipe.outside, Recipe.range):
            known = "as printed" if self.units == "bins" else "unrepaired"
            parts += [known] if ends == ("drop", "unit") else ends
        parts += [self.network.upper()] if self.network != Recipe.network else []
        return ", ".join(parts)

    @property
    def parameters(self) -> dict[str, Any]:
        """All of it by name, without the options that the loss does not have."""
        absent = self._options_of("l2+histmatch").keys() - self.options.keys()
        return {name: value for name, value in vars(self).items() if name not in absent}

    @property
    def schedule(self) -> Preset:
        """The preset, with this recipe's `epochs` where they are given."""
        preset = PRESETS[self.preset]
        return replace(preset, epochs=self.epochs or preset.epochs)

    @property
    def paper_lam(self) -> float:
        """lambda in the units of Eq. 6, which counts bins."""
        low, high = RANGES[self.range]
        return self.lam if self.units == "bins" else self.lam * (high - low) / self.bins

    def reduced(self) -> "Recipe":
        """The same training with its epochs, and what its loss does not have at the defaults."""
        return Recipe(**self.parameters | {"epochs": self.schedule.epochs})

    def make_loss(self) -> EnhancementLoss:
        return EnhancementLoss(self.loss, **self.options)

    def make_network(self) -> Network:
        """A new network; its first weights come from torch's global generator."""
        return NETWORKS[self.network]()

    def _options_of(self, loss: str) -> dict[str, Any]:
        options = {name: getattr(self, name) for name in options_of(loss) if name in vars(self)}
        return options | ({"range": RANGES[self.range]} if "range" in options else {})


def _checked_kind(name: str, value: Any, kind: type) -> Any:
    """A whole number will do for a number; true and false, which count as 1 and 0, will not."""
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or isinstance(value, bool):
        raise TypeError(f"{name} must be {_KINDS[kind]}, got {value!r}")
    return kind(value)


def _parsed(text: str, kind: Any) -> Any:
    """As it is if that fails: Recipe refuses it and says which field it is."""
    try:
        return kind(text)
    except ValueError:
        return text


def _short(number: float) -> str:
    return str(number).removesuffix(".0")
