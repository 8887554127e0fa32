"""What the figures of notebooks 00 and 01 say and draw, against independent computations."""

import re

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from histmatch_lab.data.samples import photo
from histmatch_lab.demos.controls import Photograph
from histmatch_lab.demos.figures.counting import (
    brighten,
    build_kde,
    count_pixels,
    figure_2,
    share_a_pixel,
    soft_against_counted,
)
from histmatch_lab.demos.style import MARK, OURS
from tests.demos.reference import soft_reference

NAME = "coffee"
PHOTO = photo(NAME, max_side=600).double().numpy()


def _numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[-+]?\d[\d,]*\.?\d*", text.replace(",", ""))]


def _said(pattern: str, text: str) -> float:
    found = re.search(pattern, text.replace(",", ""))
    assert found, f"{pattern!r} not in {text!r}"
    return float(found[1])


def _line(figure: Figure, panel: int, colour: str, longer_than: int = 2) -> np.ndarray:
    """The data of the only long line of that colour."""
    lines = [line for line in figure.axes[panel].lines if line.get_color() == colour]
    [line] = [line for line in lines if len(line.get_path()) > longer_than]
    return np.asarray(line.get_xydata(), dtype=float)


@pytest.mark.parametrize("bins", [2, 32, 200, 256])
@pytest.mark.parametrize(("column", "row"), [(0, 0), (37, 81), (100, 100)])
def test_the_picked_pixel_is_the_one_under_the_cross_and_its_bin_is_named(bins, column, row):
    caption = count_pixels(bins=bins, column=column, row=row, channel="red", photo=NAME).caption

    x, y = int(_said(r"Column (\d+)", caption)), int(_said(r"row (\d+)", caption))
    assert x == column * (PHOTO.shape[2] - 1) // 100
    assert y == row * (PHOTO.shape[1] - 1) // 100
    value = PHOTO[0, y, x]
    counts, _ = np.histogram(PHOTO[0], bins, (0, 1))
    k = min(int(value * bins), bins - 1)
    assert _said(r"I\(p\) = ([\d.]+)", caption) == pytest.approx(value, abs=5e-5)
    assert _said(r"k = (\d+)", caption) == k
    assert _said(r"holds ([\d.]+) %", caption) == pytest.approx(
        100 * counts[k] / counts.sum(), abs=6e-3
    )


def test_the_crosshair_the_bar_and_the_value_are_marked():
    image, axes = count_pixels(photo=NAME).figure.axes
    assert sum(line.get_color() == MARK for line in image.lines) == 2
    assert sum(line.get_color() == MARK for line in axes.lines) == 2


@pytest.mark.parametrize("pixels", [1, 10, 1000])
def test_the_counted_distance_is_a_staircase_and_the_soft_one_is_not(pixels):
    figure = brighten(pixels=pixels, photo=NAME).figure
    hard = _line(figure, 1, "#4D4D4D")[:, 1]
    soft = _line(figure, 1, OURS)[:, 1]
    flat = np.abs(np.diff(hard)) < 1e-6
    # Each pixel has one riser in a bin's width 1/16, and 0.2 is 3.2 bins wide.
    assert (~flat).sum() <= 4 * pixels
    if pixels <= 10:
        assert flat.mean() > 0.9
    assert (np.abs(np.diff(soft)) > 1e-6).mean() > 0.9
    np.testing.assert_allclose(np.abs(hard - soft).max(), 0, atol=1.0)


@pytest.mark.parametrize("pixels", [1, 7, 20])
def test_few_kernels_add_up_to_the_density(pixels):
    axes = build_kde(pixels=pixels, alpha=200.0, photo=NAME).figure.axes[1]
    kernels = [
        line for line in axes.lines if line.get_color() == MARK and len(line.get_path()) > 50
    ]
    assert len(kernels) == pixels
    together = np.sum([np.asarray(line.get_ydata()) for line in kernels], axis=0)
    [density] = [line for line in axes.lines if line.get_color() == OURS]
    # The density is drawn as the mean over each of 512 pieces, the kernels at their centres.
    np.testing.assert_allclose(
        np.asarray(density.get_ydata()), together, atol=0.01 * together.max()
    )


def test_all_pixels_give_the_density_of_the_whole_photograph():
    frame = build_kde(pixels=360_000.0, alpha=100.0, photo=NAME)
    assert _numbers(frame.caption)[0] == PHOTO[1].size
    density = _line(frame.figure, 1, OURS)[:, 1]
    expected = 512 * soft_reference(PHOTO[1], 512, 100.0)
    np.testing.assert_allclose(density, expected, atol=2e-3)


@pytest.mark.parametrize(("value", "lost"), [(0.0, 50.0), (0.5, 0.0), (1.0, 50.0)])
def test_a_pixel_at_the_end_loses_half_of_itself(value, lost):
    assert _said(r"([\d.]+) % falls", share_a_pixel(value=value).caption) == lost


def test_a_pixel_is_shared_as_eq_3_says():
    caption = share_a_pixel(value=0.43, alpha=50.0, bins=10).caption
    shares = soft_reference(0.43, 10, 50.0)
    assert _said(r"gets ([\d.]+) % of", caption) == pytest.approx(100 * shares[4], abs=0.06)
    assert _said(r"(\d+) of 10 bins", caption) == (shares > 0.01).sum()


@pytest.mark.parametrize("stretched", [False, True])
def test_figure_2_measures_both_kernels_against_the_counts(stretched):
    caption = figure_2(channel="blue", stretched=stretched, photo=NAME).caption
    values = PHOTO[2].ravel()
    if stretched:
        values = np.round(255 * np.clip((values - 0.2) / 0.6, 0, 1)) / 255
    counts = np.histogram(values, 256, (0, 1))[0] / values.size
    gaps, moves = [], []
    for slope in (640.0, 1000.0):
        soft = sum(soft_reference(v, 256, slope) for v in (values, -values, 2 - values))
        gaps.append(np.abs(soft - counts).sum())
        moves.append(np.abs(np.cumsum(soft - counts)).sum())
    said = _numbers(caption.split("L1 is")[1].replace("L1", "").replace("bins", ""))
    np.testing.assert_allclose(said, [*gaps, *moves], atol=1e-3)


def test_a_steeper_kernel_is_closer_to_the_counts():
    gaps = [
        _said(r"add up to (\d+) %", soft_against_counted(alpha=alpha, photo=NAME).caption)
        for alpha in (10.0, 100.0, 1000.0)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 3 * gaps[-1]


def test_a_small_grey_picture_of_ones_own_works(tmp_path):
    from histmatch_lab.data.images import save_image

    path = tmp_path / "tiny.png"
    save_image(torch.full((3, 2, 3), 0.5), path)
    assert Photograph().resolve(str(path)).shape == (3, 2, 3)
    for demo in (soft_against_counted, count_pixels, brighten, build_kde, figure_2):
        assert demo(photo=str(path)).caption
    assert brighten(pixels=1000, photo=str(path)).caption.startswith("6 pixels")
