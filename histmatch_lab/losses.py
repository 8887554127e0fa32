"""The losses that the paper compares: Eq. 5, Eq. 6 and the pixel losses beside them."""

from collections.abc import Callable
from typing import Literal, TypeVar

from torch import Tensor, nn

from histmatch_lab.histogram import Outside, Range, soft_cdf

Term = TypeVar("Term", bound=Callable[..., nn.Module])

_TERMS: dict[str, Callable[..., nn.Module]] = {}


def register_term(name: str) -> Callable[[Term], Term]:
    """Make a loss known to ``EnhancementLoss`` by ``name``: a class or function that gives a module.

    The module takes (pred, target), both (B, C, H, W), and gives a scalar.
    """

    def register(term: Term) -> Term:
        _TERMS[name] = term
        return term

    return register


register_term("l1")(nn.L1Loss)
register_term("l2")(nn.MSELoss)


@register_term("histmatch")
class HistogramMatchingLoss(nn.Module):
    """Eq. 5: (pred, target), both (B, C, H, W) -> scalar, the mean over batch and channels."""

    def __init__(
        self,
        bins: int = 256,
        *,
        alpha: float = 1000.0,
        bandwidth: float = 1.0,
        range: Range = (0.0, 1.0),
        outside: Outside = "drop",
        units: Literal["bins", "intensity"] = "bins",
    ) -> None:
        super().__init__()
        self.bins, self.units = bins, units
        self.kernel = {"alpha": alpha, "bandwidth": bandwidth, "range": range, "outside": outside}
        self.bin_width = (range[1] - range[0]) / bins

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        difference = self._cdf(pred) - self._cdf(target)
        loss = difference.abs().sum(-1).mean()
        return loss * self.bin_width if self.units == "intensity" else loss

    def _cdf(self, image: Tensor) -> Tensor:
        return soft_cdf(image.flatten(2), self.bins, **self.kernel)  # type: ignore[arg-type]


class EnhancementLoss(nn.Module):
    """Eq. 6: a reconstruction loss, and lam times a second term.

    ``terms`` keeps each term of the last call, detached and unweighted, by name.
    """

    def __init__(self, name: str, *, lam: float = 1.0, **options: object) -> None:
        super().__init__()
        names = name.split("+")
        unknown = [part for part in names if part not in _TERMS]
        if unknown:
            raise ValueError(f"name {name!r}: unknown {unknown}; known terms: {sorted(_TERMS)}")
        self.name, self.lam = name, lam
        self.parts = nn.ModuleDict({part: _TERMS[part]() for part in names[:-1]})
        self.parts[names[-1]] = _TERMS[names[-1]](**options)
        self.terms: dict[str, Tensor] = {}

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        values = {name: part(pred, target) for name, part in self.parts.items()}
        self.terms = {name: value.detach() for name, value in values.items()}
        first, *others = values.values()
        return first + self.lam * sum(others) if others else first
