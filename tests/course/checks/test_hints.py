"""What each check says: to every mistake of its table, and to answers that are in no table."""

import math
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import grid_sample

from histmatch_lab import HistogramMatchingLoss, bilateral_slice, soft_histogram
from histmatch_lab.course.checks import all_checks
from histmatch_lab.course.checks.alpha import (
    check_dead_share,
    check_mended_settings,
)
from histmatch_lab.course.checks.compare import check_interval, check_paper_lam, check_sure_gain
from histmatch_lab.course.checks.counting import (
    check_alpha_for_ninety,
    check_area_as_printed,
    check_bin_center,
    check_kernel,
    check_most_clipped,
    check_soft_bin,
    check_trainable_loss,
)
from histmatch_lab.course.checks.distance import (
    check_balance,
    check_emd,
    check_mended_emd,
    check_shift,
)
from histmatch_lab.course.checks.grid import check_affine, check_grid_size, check_place, check_slice
from histmatch_lab.course.checks.learning import (
    check_mean_psnr,
    check_psnr,
    check_rate,
    check_split,
)
from histmatch_lab.course.checks.own_data import check_movie_split, check_stops
from histmatch_lab.course.checks.pull import check_pull, check_pull_sign
from histmatch_lab.data.samples import photo_names
from histmatch_lab.histogram import pixel_gradient

sigma = torch.sigmoid


def _bumps(x, edges, s):
    up = sigma(s * (x[:, None] - edges))
    return s * up * (1 - up)


def _pull(x, edges, s):
    return _bumps(x, edges, s).sum(1) * (edges[1] - edges[0])


def _share(v, a, b, s):
    return sigma(s * (v - a)) - sigma(s * (v - b))


def _pull_sign(cdf_image, cdf_target, x, shift=0):
    k = (int(x * len(cdf_image)) + shift) % len(cdf_image)
    return torch.sign(cdf_image[k] - cdf_target[k])


def _balanced_lam(**options):
    def balanced_lam(pred, target):
        pred = pred.clone().requires_grad_()
        [rec] = torch.autograd.grad(nn.MSELoss()(pred, target), pred)
        [match] = torch.autograd.grad(HistogramMatchingLoss(**options)(pred, target), pred)
        return rec.norm() / match.norm()

    return balanced_lam


def _cdfs(*values):
    return [soft_histogram(x, outside="clamp").cumsum(-1) for x in values]


def _soft_emd(pred, target):
    p, q = _cdfs(pred, target)
    return (p - q).abs().sum(-1).mean()


def _emd_of_pictures(pred, target):
    return _soft_emd(pred.flatten(2), target.flatten(2))


def _fifty(**options):
    return HistogramMatchingLoss(50, **{"outside": "clamp", "units": "intensity", **options})


def _place(pixel, size, cells):
    return min(max((pixel + 0.5) * cells / size - 0.5, 0), cells - 1)


def _slice(grid, guide, z=None, place=_place):
    """The notebook's solution; `z` is where the guide reads, along the depth."""
    _, depth, rows, columns = grid.shape
    height, width = guide.shape
    y = [place(i, height, rows) for i in range(height)]
    x = [place(i, width, columns) for i in range(width)]
    z = (depth * guide - 0.5).clamp(0, depth - 1) if z is None else z
    near = [
        (1 - (torch.as_tensor(p)[..., None] - torch.arange(n)).abs()).clamp(min=0)
        for p, n in ((z, depth), (y, rows), (x, columns))
    ]
    return torch.einsum("cdrs,hwd,hr,ws->chw", grid, *near)


def _nearest(grid, guide):
    _, depth, rows, columns = grid.shape
    z = (depth * guide - 0.5).round().clamp(0, depth - 1).long()
    y, x = (
        ((torch.arange(n) + 0.5) * cells / n).long()
        for n, cells in zip(guide.shape, (rows, columns), strict=True)
    )
    return grid[:, z, y[:, None], x]


def _sampled(grid, guide, *, aligned, **options):
    """torch's own sampling, from edge to edge or from outermost centre to outermost centre."""
    ends = [1 if aligned else 1 - 1 / n for n in guide.shape]
    axes = (torch.linspace(-end, end, n) for end, n in zip(ends, guide.shape, strict=True))
    y, x = torch.meshgrid(*axes, indexing="ij")
    places = torch.stack([x, y, 2 * guide - 1], -1)[None, None]
    return grid_sample(grid[None], places, align_corners=aligned, **options)[0, :, 0]


def _interval(gaps, groups):
    """The notebook's solution."""
    generator = np.random.default_rng(0)
    names = sorted(set(groups))
    by_group = [[g for g, group in zip(gaps, groups, strict=True) if group == n] for n in names]
    means = [
        np.mean([g for i in generator.integers(len(names), size=len(names)) for g in by_group[i]])
        for _ in range(2000)
    ]
    return np.percentile(means, (2.5, 97.5))


def _singly(gaps, _groups):
    draws = random.Random(0)
    means = [np.mean(draws.choices(gaps, k=len(gaps))) for _ in range(2000)]
    return np.percentile(means, (2.5, 97.5))


def _cut(names, share):
    first = len(names) - round(len(names) * share)
    return names[:first], names[first:]


def _at_random(names, share):
    test = sorted(random.Random(0).sample(names, round(len(names) * share)))
    return sorted(set(names) - set(test)), test


def _both_ends(names, share):
    count = round(len(names) * share)
    return names[1 : len(names) - count + 1], names[:1] + names[len(names) - count + 1 :]


# Their tables hold tests of an answer; those of all others hold wrong answers.
TESTS = ("check_interval", "check_movie_split", "check_shift")
TABLES = {name: check for name, check in all_checks().items() if name not in TESTS}


@pytest.mark.parametrize("name", TABLES)
def test_every_mistake_of_a_table_gets_its_own_hint_each_time(name):
    for answer, hint in TABLES[name].mistakes:
        for _ in range(5 if callable(answer) else 1):
            feedback = TABLES[name](answer)
            assert feedback.right is False
            assert hint in feedback.text


RIGHT = [  # other right answers than the notebooks'
    (check_alpha_for_ninety, 1510),
    (check_alpha_for_ninety, 4 * 256 * math.atanh(0.9)),
    (check_kernel, lambda z: torch.exp(-z) / (1 + torch.exp(-z)) ** 2),
    (check_soft_bin, lambda v, a, b, s: (sigma(s * (b - v)) - sigma(s * (a - v))).mean()),
    (check_pull, _pull),
    (check_emd, lambda p, q: float((q - p).cumsum(0).abs().sum())),
    (check_shift, (10, 0.039)),
    (check_balance, _balanced_lam()),
    (check_slice, _slice),
    (check_trainable_loss, _soft_emd),
    (check_mended_emd, HistogramMatchingLoss(outside="clamp")),
    (check_mended_emd, _emd_of_pictures),
    (check_mended_settings, _fifty(alpha=125.0)),
    (check_mended_settings, lambda p, t: _fifty(units="bins", alpha=125.0)(p, t) / 50),
    (check_movie_split, lambda names, share: _cut(names[::-1], share)),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_another_form_of_the_solution_is_right_each_time(check, answer):
    assert all(check(answer).right for _ in range(10))


WRONG = [
    (check_most_clipped, "dahlia", "There is no photograph"),
    (check_bin_center, 0.5, "First L = 1/K"),
    (check_area_as_printed, 0.5, "How long is a piece"),
    (check_alpha_for_ninety, 1000, "too little"),
    (check_alpha_for_ninety, 1505, "just below"),
    (check_alpha_for_ninety, 5000, "More than asked"),
    (check_alpha_for_ninety, 754, "once too often"),
    (check_alpha_for_ninety, 1125, "both edges"),
    (check_alpha_for_ninety, -1500, "too little"),
    (check_alpha_for_ninety, "many", "raised TypeError"),
    (check_kernel, torch.zeros_like, "differ"),
    (check_kernel, lambda z: (sigma(z) * (1 - sigma(z))).sum(), "shape (200,)"),
    (check_kernel, lambda _: 0.25, "got float"),
    (check_kernel, lambda _: 1 / 0, "ZeroDivisionError: division by zero"),
    (check_soft_bin, lambda *given: _share(*given).mean().item(), "without .item()"),
    (check_soft_bin, _share, "must be one number"),
    (check_soft_bin, lambda v, a, b, s: _share(v, a + 0.01, b + 0.01, s).mean(), "For each pixel"),
    (check_soft_bin, lambda v, a, b, s: _share(v, a, b, 1.01 * s).mean(), "For each pixel"),
    (check_soft_bin, lambda v, *_: v.mean(), "For each pixel"),
    (check_dead_share, 24, "not a percentage"),
    (check_dead_share, 0.0, "too small"),
    (check_dead_share, 0.4, "too large"),
    (check_dead_share, -0.24, "too small"),
    (check_pull, _bumps, "Sum over the edges"),
    (check_pull, lambda *_: 1.0, "Return a tensor"),
    (check_pull, lambda x, *_: torch.ones_like(x), "other numbers"),
    (check_pull, lambda x, e, s: _pull(x, e[1:], s) * 1.01, "other numbers"),
    (check_pull, lambda x, *_: x.nothing, "AttributeError"),
    (check_emd, lambda p, _: p.nonsense, "AttributeError"),
    (check_emd, lambda p, q: (p - q).cumsum(0)[1:].abs().sum(), "Eq. 5 gives"),
    (check_emd, lambda *_: 1.0, "Eq. 5 gives"),
    (check_emd, lambda p, q: (p.cumsum(0) - q.cumsum(0)).abs(), "must be one number"),
    (check_shift, (10 / 256, 10), "wrong order"),
    (check_shift, (2, 10 / 256), "L1"),
    (check_shift, (20, 10 / 256), "twice"),
    (check_shift, (9, 10 / 256), "same number of bins"),
    (check_shift, (10, 10 / 255), "255"),
    (check_shift, (10, 10), "width of a bin"),
    (check_shift, (10, 0.04), "three digits"),
    (check_shift, (10, 0.1), "In bins you are right"),
    (check_shift, (10, 11 / 256), "In bins you are right"),
    (check_shift, "ten", "two numbers"),
    (check_shift, 10, "two numbers"),
    (check_pull_sign, lambda a, b, x: _pull_sign(a, b, x, 1), "off by one bin"),
    (check_pull_sign, lambda a, b, x: _pull_sign(a, b, x, -1), "off by one bin"),
    (check_pull_sign, lambda *_: 0, "Some are wrong"),
    (check_pull_sign, lambda *_: 1, "is there a gap?"),
    (check_pull_sign, lambda *given: 2 * _pull_sign(*given), "It is 1, 0 or -1"),
    (check_pull_sign, lambda a, b, x: _pull_sign(a, b, 1 - x), "Some are wrong"),
    (check_pull_sign, lambda a, b, x: torch.sign((a - b)[int(x * (len(a) - 1))]), "Some are wrong"),
    (check_balance, _balanced_lam(outside="clamp"), "the paper's L_hm"),
    (check_balance, _balanced_lam(outside="reflect"), "the paper's L_hm"),
    (check_balance, _balanced_lam(bins=100), "the paper's L_hm"),
    (check_balance, lambda *_: 1.0, "On a random pair"),
    (check_balance, lambda *_: 0.001, "On a random pair"),
    (check_trainable_loss, lambda p, t: _soft_emd(p.data, t), "path is cut"),
    (check_trainable_loss, lambda p, t: _soft_emd(p, t).item(), "path is cut"),
    (check_trainable_loss, lambda p, t: _soft_emd((255 * p).round() / 255, t), "staircase"),
    (check_trainable_loss, lambda p, t: _soft_emd(p.data, t) + 0 * p.sum(), "staircase"),
    (check_trainable_loss, lambda p, t: soft_histogram(p), "must be one number"),
    (check_trainable_loss, lambda p, t: (p - t).square().mean(), "none of the known"),
    (check_trainable_loss, lambda p, t: 2 * _soft_emd(p, t), "none of the known"),
    (check_mended_emd, lambda p, t: _emd_of_pictures(p, t.flip(0)), "none of the known"),
    (check_mended_emd, HistogramMatchingLoss(), "none of the known"),
    (check_mended_emd, lambda p, t: _soft_emd(p.flatten(1), t.flatten(1)), "channels are mixed"),
    (check_mended_emd, lambda p, t: (p - t).mean().abs() + p[0, 0], "must be one number"),
    (check_mended_settings, _fifty(alpha=1000.0, bandwidth=1 / 125), "hard step"),
    (check_mended_settings, _fifty(alpha=1000.0, bandwidth=1.0), "none of the known"),
    (check_mended_settings, _fifty(alpha=125.0, outside="reflect"), "none of the known"),
    (check_mended_settings, _fifty(alpha=125.0, units="bins"), "still in bins"),
    (check_grid_size, 7, "Count"),
    (check_grid_size, 24_576.5, "Count"),
    (check_place, lambda p, s, c: max(0, (p + 0.5) * c / s), "half a cell"),
    (check_place, lambda p, s, c: _place(p - 0.5, s, c), "at pixel + 1/2"),
    (check_place, lambda p, s, c: 1.0, "should be"),
    (check_place, lambda p, s, c: torch.arange(c), "tensor of shape"),
    (check_affine, lambda m, c: m[:, :3] * c, "tensor of shape (3,)"),
    (check_affine, lambda m, c: c, "differs"),
    (check_slice, _nearest, "nearest"),
    (check_slice, lambda g, z: _slice(g.transpose(2, 3), z), "swapped"),
    (check_slice, lambda g, z: _slice(g, (z + 0.5) / 4), "D * guide"),
    (check_slice, lambda g, z: _slice(g, z + 0.5 / g.shape[1]), "Half a level"),
    (check_slice, lambda g, z: _slice(g, z, (g.shape[1] - 1) * z), "edge of the outermost level"),
    (check_slice, lambda g, z: _slice(g, z, g.shape[1] * z - 0.5), "border"),
    (check_slice, lambda g, z: _sampled(g, z, aligned=False), "border"),
    (
        check_slice,
        lambda g, z: _sampled(g, z, aligned=True, padding_mode="border"),
        "align_corners",
    ),
    (
        check_slice,
        lambda g, z: _slice(g, z, place=lambda p, n, cells: p / (n - 1) * (cells - 1)),
        "align_corners",
    ),
    (check_slice, lambda g, z: _slice(g, z)[0], "(C, H, W)"),
    (check_slice, lambda g, z: -_slice(g, z), "largest difference"),
    (check_slice, lambda g, z: g.mean() + 0 * _slice(g, z), "largest difference"),
    (check_psnr, lambda p, t: 20.0, "should be"),
    (check_mean_psnr, lambda p, t: 20.0, "should be"),
    (check_mean_psnr, lambda p, t: -10 * (p - t).square().mean().log10(), "broken as it was"),
    (check_mean_psnr, lambda p, t: -10 * (p - t).square().flatten(1).mean(1).log10(), "number"),
    (check_rate, lambda s, n, a, b: 2 * a, "should be"),
    (check_split, ["park-0", "dawn-0"], "trained on"),
    (check_split, ["nobody"], "no picture"),
    (check_split, "dawn-0", "list"),
    (check_split, 3, "list"),
    (check_split, [], "Take three"),
    (check_split, ["dawn-0", "dawn-0", "lobby-1"], "Take three"),
    (check_paper_lam, lambda lam, bins: lam / bins**2, ", 50) you get"),
    (check_sure_gain, "ambiguous", "includes 0"),
    (check_sure_gain, "fivek", "one of the names"),
    (check_interval, _singly, "draw photographs"),
    (
        check_interval,
        lambda gaps, groups: np.mean(gaps) + 1.96 * np.std(gaps) * np.array([-1, 1]),
        "mean of each",
    ),
    (check_interval, lambda gaps, groups: np.percentile(gaps, (2.5, 97.5)), "mean of each"),
    (
        check_interval,
        lambda gaps, groups: np.mean(gaps) + (_interval(gaps, groups) - np.mean(gaps)) / 1.96,
        "one standard deviation",
    ),
    (check_interval, lambda gaps, groups: _interval(gaps, groups) * np.nan, "around the mean"),
    (check_interval, lambda gaps, groups: np.mean(gaps) + np.array([-0.6, 0.6]), "half width"),
    (check_interval, lambda gaps, groups: (9, 10), "around the mean"),
    (check_interval, lambda gaps, groups: (1, -1), "above"),
    (check_stops, lambda n, w: 3.0, "should be"),
    (check_stops, lambda n, w: math.log2(n / w) + 1, "should be"),
    (check_stops, lambda n, w: math.log2(n / 100), "should be"),
    (check_movie_split, lambda names, share: names, "two lists"),
    (check_movie_split, lambda names, share: (names, names[-5:]), "in both lists"),
    (check_movie_split, lambda names, share: (names[:10], names[11:]), "hold all of them"),
    (check_movie_split, lambda names, share: _cut(names, 1 - share), "share is that of the test"),
    (check_movie_split, lambda names, share: (names[:-1], names[-1:]), "another number"),
    (check_movie_split, _at_random, "Cut the movie once"),
    (check_movie_split, _both_ends, "Cut the movie once"),
]


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_a_wrong_answer_gets_its_hint(check, answer, hint):
    feedback = check(answer)
    assert feedback.right is False
    assert hint in feedback.text


def test_half_an_answer_is_not_answered():
    assert check_shift((10, ...)).right is None


@pytest.mark.parametrize("name", [name for name in photo_names() if name != "astronaut"])
def test_another_photograph_is_wrong_and_the_feedback_gives_its_share(name):
    feedback = check_most_clipped(name)
    assert feedback.right is False
    assert f"of the values of {name}" in feedback.text


def test_the_dead_share_is_that_of_the_measured_pull():
    x = torch.linspace(0.5, 0.52, 20001, dtype=torch.float64)
    measured = float((pixel_gradient(x, 50, alpha=1000) < 0.01).double().mean())
    assert measured == pytest.approx(1 - 2 * math.log(2000) / 20, abs=0.002)
    assert check_dead_share(measured).right


def test_the_sliced_solution_equals_the_library():
    grid, guide = torch.rand(3, 8, 4, 5), torch.rand(7, 9)
    torch.testing.assert_close(_slice(grid, guide), bilateral_slice(grid[None], guide[None])[0])


def test_a_check_leaves_the_learners_seed_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check_kernel(sigma)
    check_soft_bin(lambda v, *_: v.mean())
    assert torch.equal(torch.rand(2), expected)


def test_a_constant_does_not_pass_twice():
    """The input is fresh each time, so a learned-by-heart number is wrong."""
    seen = []

    def remember(v, a, b, s):
        seen.append(_share(v, a, b, s).mean())
        return seen[0]

    assert check_soft_bin(remember).right is True
    assert check_soft_bin(remember).right is False
