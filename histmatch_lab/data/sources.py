"""Pairs by a name: as a command or a file of settings states them."""

from histmatch_lab.data.own.prepared import MANIFEST, PreparedPairs
from histmatch_lab.data.pairs import PairSource
from histmatch_lab.data.retouch import EXPERTS
from histmatch_lab.data.scenes import ScenePairs
from histmatch_lab.data.tasks import TASKS, TaskPairs

SHIPPED = (*TASKS, *EXPERTS)


def open_pairs(data: str, crop: int) -> PairSource:
    """The pairs of a task, of an expert of `ScenePairs`, or in a folder.

    Args:
        data: one of `SHIPPED`, or a folder that `histmatch-lab prepare` wrote.
        crop: side of the square training crops, in pixels; 0 for whole frames.

    Raises:
        ValueError: `data` is neither; a training picture is smaller than the crop.
    """
    if data in TASKS:
        return TaskPairs(data, crop=crop)
    if data in EXPERTS:
        return ScenePairs(data, crop=crop)
    try:
        return PreparedPairs(data, crop=crop)
    except FileNotFoundError:
        raise ValueError(
            f"data must be one of {', '.join(SHIPPED)}, or a folder with a {MANIFEST}, as "
            f"`histmatch-lab prepare` writes one, got {data!r}"
        ) from None
