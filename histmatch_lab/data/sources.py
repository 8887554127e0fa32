"""Pairs by a name: as a command or a file of settings states them."""

from histmatch_lab.data.own.prepared import MANIFEST, PreparedPairs
from histmatch_lab.data.pairs import PairSource
from histmatch_lab.data.retouch import EXPERTS
from histmatch_lab.data.scenes import ScenePairs


def open_pairs(data: str, crop: int) -> PairSource:
    """The pairs of an expert of `ScenePairs`, or those in a folder.

    Args:
        data: one of "global", "adaptive", "local", "ambiguous", or a folder that
            `histmatch-lab prepare` wrote.
        crop: side of the square training crops, in pixels.

    Raises:
        ValueError: `data` is neither; a training picture is smaller than the crop.
    """
    if data in EXPERTS:
        return ScenePairs(data, crop=crop)
    try:
        return PreparedPairs(data, crop=crop)
    except FileNotFoundError:
        raise ValueError(
            f"data must be one of {', '.join(EXPERTS)}, or a folder with a {MANIFEST}, as "
            f"`histmatch-lab prepare` writes one, got {data!r}"
        ) from None
