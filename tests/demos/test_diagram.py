"""The figures of the network's parts, and of what a crop sees, against their parts by hand."""

import re

import numpy as np
import pytest
import torch

from histmatch_lab.data.tasks import TaskPairs
from histmatch_lab.demos.figures import diagram, learning
from histmatch_lab.demos.figures.grid import PHOTO, trained

PICTURE = PHOTO.resolve("china")


def test_the_pixel_that_travels_comes_out_as_the_network_makes_it():
    frame = diagram.a_pixel_travels(across=0.2, down=0.9)
    height, width = PICTURE.shape[1:]
    y, x = round(0.9 * (height - 1)), round(0.2 * (width - 1))
    with torch.no_grad():
        guide = float(trained().guide(PICTURE[None])[0, y, x])
        after = trained()(PICTURE[None])[0, :, y, x]
    assert f"the guide, {guide:.2f}, chooses level {8 * guide - 0.5:.1f} of" in frame.caption
    assert f"becomes {'/'.join(f'{v:.2f}' for v in after)}." in frame.caption


@pytest.mark.parametrize("level", [0, 5])
def test_at_one_level_a_row_is_straight_between_the_centres_of_cells(level):
    frame = diagram.along_a_row(level=level, down=0.5)
    own, same = (np.asarray(line.get_ydata()) for line in frame.figure.axes[1].lines[:2])
    width = len(same)
    bend = np.abs(np.diff(same, 2))
    cells = (np.arange(width) + 0.5) / width * 16 - 0.5
    crosses = np.floor(cells[:-2]) != np.floor(cells[2:])
    assert bend[~crosses].max() < 1e-5
    assert bend[crosses].max() > 1e-4
    changes = [float(n) for n in re.findall(r"\d\.\d+(?:e-\d+)?", frame.caption)]
    assert changes == pytest.approx([np.abs(np.diff(same)).max(), np.abs(np.diff(own)).max()], 0.05)


@pytest.mark.parametrize(("side", "across"), [(64, 0.0), (192, 1.0)])
def test_a_crop_is_as_far_from_its_picture_as_its_counts_are(side, across):
    frame = learning.crop_against_whole(side=side, across=across, picture=5)
    target = TaskPairs("tonemap").test_pairs()[4].target
    height, width = target.shape[1:]
    top, left = (height - side) // 2, round(across * (width - side))
    crop = target[:, top : top + side, left : left + side]
    cdfs = [
        np.array([np.histogram(c, 256, (0, 1))[0].cumsum() / c.numel() for c in image])
        for image in (crop, target)
    ]
    gap = np.abs(cdfs[0] - cdfs[1]).sum(1).mean() / 256
    assert f"is {gap:.3f} in intensity" in frame.caption
