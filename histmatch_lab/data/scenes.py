"""Pairs to train and test on, made from the shipped photographs (see `retouch` for the experts).

The split is by photograph, never by crop: no photograph of the test set is ever trained on.
"""

import operator
from functools import cached_property

import torch
from torch import Tensor

from histmatch_lab._checks import check_option
from histmatch_lab.color import srgb_to_linear
from histmatch_lab.data.images import resize, size_at_short_side
from histmatch_lab.data.pairs import Pair, draw_index
from histmatch_lab.data.retouch import EXPERTS, apply_random_look, degrade, retouch
from histmatch_lab.data.samples import photo

TRAIN_NAMES = (
    "coffee",
    "china",
    "rocket",
    "roman_colosseum",
    "casa_mila",
    "blue_periwinkle",
    "extreme_desert_hike",
    "high_trestle_trail",
    "tea_gardens",
    "perched_osprey",
    "canyon_wren",
    "pondering_heron",
    "sunning_anhinga",
    "the_spices_of_life",
    "mountain_path",
    "hills",
    "sunset",
    "dogs",
    "fig",
    "living_room",
)
TEST_NAMES = (
    "lake_sherburne",
    "oakland_zoo_otters",
    "astronaut",
    "singaporean_cityscape",
    "stream",
    "flower",
    "beacon_street_sunset",
    "chelsea",
    "dandelions",
    "brushes",
)
TEST_SEED = 2022
TEST_VARIANTS = 3


class ScenePairs:
    """Pairs for one expert: the input is a degraded photograph, the target the clean one retouched.

    A `PairSource`. Training photographs are held with a short side of 9/8 crop, so that a square
    crop, which is all that the network sees, shows most of what the expert saw.
    Raises ValueError for an unknown expert or a crop below 16.
    """

    def __init__(self, expert: str = "local", *, crop: int = 256) -> None:
        check_option("expert", expert, EXPERTS)
        if operator.index(crop) < 16:
            raise ValueError(f"crop must be at least 16 pixels, got {crop}")
        self.expert = expert
        self.crop = crop

    def __repr__(self) -> str:
        return f"ScenePairs({self.expert!r}, crop={self.crop})"

    def __len__(self) -> int:
        return len(TRAIN_NAMES)

    def batch(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """As `PairSource.batch`; photographs, crops, flips and degradations are independent."""
        pairs = [self._pair(generator) for _ in range(size)]
        return torch.stack([pair[0] for pair in pairs]), torch.stack([pair[1] for pair in pairs])

    def test_pairs(self) -> list[Pair]:
        """Each test photograph whole, TEST_VARIANTS times, with the same inputs for any expert."""
        degradations = torch.Generator().manual_seed(TEST_SEED)
        looks = torch.Generator().manual_seed(TEST_SEED + 1)
        pairs = []
        for name in TEST_NAMES:
            image = photo(name)
            light, known = srgb_to_linear(image), deterministic_part(image, self.expert)
            for variant in range(1, TEST_VARIANTS + 1):
                target = self._target(known, looks)
                pairs.append(Pair(f"{name}-{variant}", degrade(light, degradations), target))
        return pairs

    @cached_property
    def _frames(self) -> list[tuple[Tensor, Tensor]]:
        """The training photographs: their light, and what the expert always does to them."""
        photos = [_at_short_side(photo(name), self.crop * 9 // 8) for name in TRAIN_NAMES]
        return [(srgb_to_linear(image), deterministic_part(image, self.expert)) for image in photos]

    def _pair(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One crop of a training photograph, before and after."""
        light, known = self._frames[draw_index(len(self), generator)]
        height, width = light.shape[1:]
        top = draw_index(height - self.crop + 1, generator)
        left = draw_index(width - self.crop + 1, generator)
        window = (..., slice(top, top + self.crop), slice(left, left + self.crop))
        before = degrade(light[window], generator)
        after = self._target(known[window], generator)
        if draw_index(2, generator):
            return before.flip(-1), after.flip(-1)
        return before, after

    def _target(self, known: Tensor, generator: torch.Generator) -> Tensor:
        return apply_random_look(known, generator) if self.expert == "ambiguous" else known


def deterministic_part(image: Tensor, expert: str) -> Tensor:
    """What the expert does to a photograph each time it comes up: all but the random look."""
    if expert == "ambiguous":
        return srgb_to_linear(retouch(image, "adaptive"))
    return retouch(image, expert)


def _at_short_side(image: Tensor, short_side: int) -> Tensor:
    return resize(image, size_at_short_side(image.shape[1:], short_side))
