"""Notebook 03's checks: solutions pass, each known mistake gets its hint, mutants never pass."""

import pytest
import torch
from torch import nn

from histmatch_lab import HistogramMatchingLoss
from histmatch_lab.course.checks.balance import check_balance
from histmatch_lab.course.checks.distance import (
    check_emd,
    check_pull_sign,
    check_shift,
)


@pytest.mark.parametrize("check", [check_emd, check_shift, check_pull_sign, check_balance])
@pytest.mark.parametrize("answer", [..., None])
def test_an_untouched_cell_is_not_answered(check, answer):
    assert check(answer).right is None
    if check is not check_shift:
        assert check(lambda *_: answer).right is None


def test_half_an_answer_is_not_answered():
    assert check_shift((10, ...)).right is None


def test_what_raises_is_wrong_and_says_so():
    feedback = check_emd(lambda p, _: p.nonsense)
    assert feedback.right is False
    assert "AttributeError" in feedback.text
    assert check_emd(lambda p, q: p - q).right is False
    assert check_shift(10).right is False


def test_the_solutions_pass():
    assert check_emd(lambda p, q: (p.cumsum(0) - q.cumsum(0)).abs().sum()).right
    assert check_emd(lambda p, q: float((q - p).cumsum(0).abs().sum())).right
    assert check_shift((10, 10 / 256)).right
    assert check_shift((10, 0.039)).right
    assert check_pull_sign(_pull_sign).right
    assert check_balance(_balanced_lam).right


def _pull_sign(cdf_image, cdf_target, x):
    k = int(x * len(cdf_image))
    return torch.sign(cdf_image[k] - cdf_target[k])


def _norms(pred, target):
    pred = pred.clone().requires_grad_()
    terms = nn.MSELoss()(pred, target), HistogramMatchingLoss()(pred, target)
    return [torch.autograd.grad(term, pred)[0] for term in terms]


def _balanced_lam(pred, target):
    rec, match = _norms(pred, target)
    return rec.norm() / match.norm()


def _with_another_loss(**options):
    def balanced_lam(pred, target):
        pred = pred.clone().requires_grad_()
        [rec] = torch.autograd.grad(nn.MSELoss()(pred, target), pred)
        [match] = torch.autograd.grad(HistogramMatchingLoss(**options)(pred, target), pred)
        return rec.norm() / match.norm()

    return balanced_lam


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (lambda p, q: (p - q).abs().sum(), "bin by bin"),
        (lambda p, q: (p - q).abs().sum() / 2, "half the L1"),
        (lambda p, q: (p.cumsum(0) - q.cumsum(0)).abs().mean(), "mean over the bins"),
        (lambda p, q: (p.cumsum(0) - q.cumsum(0)).sum(), "absolute value is missing"),
        (lambda p, q: (q.cumsum(0) - p.cumsum(0)).sum(), "absolute value"),
        (lambda p, q: (p.cumsum(0) - q.cumsum(0)).sum().abs(), "absolute value"),
        (lambda p, q: (p.cumsum(0) - q.cumsum(0)).square().sum(), "squared"),
        (lambda p, q: (p.cumsum(0) - q.cumsum(0)).square().mean().sqrt(), "mean square"),
        (lambda p, q: (p.cumsum(0) - q.cumsum(0)).norm(), "Euclidean"),
        (lambda p, q: (p.cumsum(0) - q.cumsum(0)).abs().max(), "largest gap"),
        (lambda p, q: (p - q).abs().cumsum(0).sum(), "before you sum up"),
        (lambda p, q: (p - q).cumsum(0)[1:].abs().sum(), "Eq. 5 gives"),
        (lambda *_: 1.0, "Eq. 5 gives"),
        (lambda p, q: (p.cumsum(0) - q.cumsum(0)).abs(), "must be one number"),
    ],
)
def test_a_wrong_emd_gets_its_hint(mistake, hint):
    feedback = check_emd(mistake)
    assert feedback.right is False
    assert hint in feedback.text


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        ((10 / 256, 10), "wrong order"),
        ((2, 10 / 256), "L1"),
        ((20, 10 / 256), "twice"),
        ((9, 10 / 256), "same number of bins"),
        ((10, 10 / 255), "255"),
        ((10, 10), "width of a bin"),
        ((10, 0.04), "three digits"),
        ((10, 0.1), "In bins you are right"),
        ((10, 11 / 256), "In bins you are right"),
        ("ten", "two numbers"),
    ],
)
def test_a_wrong_shift_gets_its_hint(mistake, hint):
    feedback = check_shift(mistake)
    assert feedback.right is False
    assert hint in feedback.text


def _off_by(shift):
    def pull_sign(cdf_image, cdf_target, x):
        k = (int(x * len(cdf_image)) + shift) % len(cdf_image)
        return torch.sign(cdf_image[k] - cdf_target[k])

    return pull_sign


def _from_histograms(cdf_image, cdf_target, x):
    gap = torch.diff(cdf_image - cdf_target, prepend=torch.zeros(1))
    return torch.sign(torch.round(gap[int(x * len(gap))] * 1e10))


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (lambda a, b, x: -_pull_sign(a, b, x), "other way round"),
        (lambda a, b, x: (a - b)[int(x * len(a))], "Only the sign"),
        (_from_histograms, "not the CDFs"),
        (_off_by(1), "off by one bin"),
        (_off_by(-1), "off by one bin"),
        (lambda a, b, x: 1 if _pull_sign(a, b, x) > 0 else -1, "no pull"),
        (lambda *_: 1, "no pull"),
        (lambda *_: 0, "signs are wrong"),
        (lambda a, b, x: _pull_sign(a, b, 1 - x), "signs are wrong"),
        (lambda a, b, x: torch.sign((a - b)[int(x * (len(a) - 1))]), "signs are wrong"),
    ],
)
def test_a_wrong_sign_gets_its_hint(mistake, hint):
    feedback = check_pull_sign(mistake)
    assert feedback.right is False
    assert hint in feedback.text


def _loss_ratio(pred, target):
    return nn.MSELoss()(pred, target) / HistogramMatchingLoss()(pred, target)


def _from_norms(combine):
    return lambda pred, target: combine(*_norms(pred, target))


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (_from_norms(lambda rec, match: match.norm() / rec.norm()), "other way round"),
        (_from_norms(lambda rec, match: 256 * rec.norm() / match.norm()), "in intensity"),
        (_from_norms(lambda rec, match: (rec.norm() / match.norm()) ** 2), "squared norms"),
        (_from_norms(lambda rec, match: (rec.norm() / match.norm()) ** 0.5), "root of the right"),
        (_from_norms(lambda rec, match: rec.norm() / match.norm() / 3), "number of channels"),
        (_from_norms(lambda rec, match: rec.abs().sum() / match.abs().sum()), "absolute values"),
        (_from_norms(lambda rec, match: rec.abs().max() / match.abs().max()), "largest values"),
        (_loss_ratio, "values of the two terms"),
        (_with_another_loss(outside="clamp"), "the paper's L_hm"),
        (_with_another_loss(outside="reflect"), "the paper's L_hm"),
        (_with_another_loss(bins=100), "the paper's L_hm"),
        (lambda *_: 1.0, "On a random pair"),
        (lambda *_: 0.001, "On a random pair"),
    ],
)
def test_a_wrong_balance_gets_its_hint(mistake, hint):
    feedback = check_balance(mistake)
    assert feedback.right is False
    assert hint in feedback.text
