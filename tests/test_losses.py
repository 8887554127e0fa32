"""Eq. 5 and 6 as losses: what they measure, where their gradient goes, what they refuse."""

import ot  # type: ignore[import-untyped]
import pytest
import scipy.stats  # type: ignore[import-untyped]
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from histmatch_lab import EnhancementLoss, HistogramMatchingLoss, emd, soft_histogram
from histmatch_lab import losses as losses_module
from histmatch_lab.losses import register_term


@pytest.fixture
def images() -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(11)
    pred = torch.rand(2, 3, 48, 64, generator=g) * 0.5 + 0.1
    target = torch.rand(2, 3, 48, 64, generator=g) ** 2 * 0.8 + 0.1
    return pred, target


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(losses_module, "_TERMS", dict(losses_module._TERMS))


def test_equals_eq_5_written_out(images):
    def cdf(channel: Tensor) -> Tensor:
        edges = torch.arange(51, dtype=torch.float64) / 50
        above = torch.sigmoid(1000 * (channel.double().reshape(-1, 1) - edges)).mean(0)
        return (above[:-1] - above[1:]).cumsum(0)

    pred, target = images
    distances = [
        (cdf(pred[b, c]) - cdf(target[b, c])).abs().sum() for b in range(2) for c in range(3)
    ]
    wanted = torch.stack(distances).mean()
    assert HistogramMatchingLoss(50)(pred, target).item() == pytest.approx(wanted.item(), rel=1e-6)


def test_equal_images_are_at_no_distance(images):
    for name in ("l1", "l2", "histmatch", "l2+histmatch"):
        assert EnhancementLoss(name)(images[0], images[0]).item() == 0


def test_intensity_units_are_the_wasserstein_distance(images):
    pred, target = images
    got = HistogramMatchingLoss(1024, alpha=1e4, units="intensity")(pred, target)
    pairs = zip(pred.reshape(6, -1).numpy(), target.reshape(6, -1).numpy(), strict=True)
    wanted = sum(scipy.stats.wasserstein_distance(a, b) for a, b in pairs) / 6
    assert got.item() == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("bins", [50, 100, 256])
def test_erratum_7_eq_5_counts_bins(images, bins):
    # a shift by one bin is 1 bin, and L in units of intensity; but a fixed shift grows with K
    pred = images[0]
    in_bins, in_intensity = (
        HistogramMatchingLoss(bins, units=units) for units in ("bins", "intensity")
    )
    assert in_bins(pred, pred + 1 / bins).item() == pytest.approx(1, rel=1e-3)
    assert in_intensity(pred, pred + 1 / bins).item() == pytest.approx(1 / bins, rel=1e-3)
    assert in_bins(pred, pred + 0.1).item() == pytest.approx(0.1 * bins, rel=1e-3)
    assert in_intensity(pred, pred + 0.1).item() == pytest.approx(0.1, rel=1e-3)


def test_units_follow_the_range(images):
    pred = images[0] * 2 - 1
    loss = HistogramMatchingLoss(100, range=(-1.0, 1.0), units="intensity")
    assert loss(pred, pred + 0.1).item() == pytest.approx(0.1, rel=1e-3)


def test_mean_over_batch_and_channels(images):
    pred, target = images
    loss = HistogramMatchingLoss(50)
    each = [
        loss(pred[b : b + 1, c : c + 1], target[b : b + 1, c : c + 1])
        for b in (0, 1)
        for c in (0, 1, 2)
    ]
    assert loss(pred, target).item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-6)


def test_erratum_8_blind_to_where_pixels_are(images):
    pred, target = images
    order = torch.randperm(48 * 64, generator=torch.Generator().manual_seed(0))
    shuffled = pred.flatten(2)[..., order].view_as(pred)
    assert HistogramMatchingLoss()(shuffled, pred).item() < 1e-5
    assert EnhancementLoss("l2+histmatch")(shuffled, pred) > 0.02  # L_rec sees it
    loss = HistogramMatchingLoss()
    assert loss(shuffled, target).item() == pytest.approx(loss(pred, target).item(), rel=1e-6)


def test_memory_layout_does_not_matter(images):
    pred, target = images
    loss = HistogramMatchingLoss()
    wanted = loss(pred, target)
    assert torch.equal(loss(pred.to(memory_format=torch.channels_last), target), wanted)
    turned = pred.transpose(2, 3).contiguous().transpose(2, 3)
    assert torch.equal(loss(turned, target), wanted)


# Gradients


def test_the_gradient_leads_downhill_to_the_target(images):
    pred, target = images
    pred = pred.clone().requires_grad_()
    loss = HistogramMatchingLoss(units="intensity")
    before = loss(pred, target)
    before.backward()
    assert pred.grad is not None
    assert pred.grad.abs().sum() > 0.5  # of 1, the sum if every pixel is pulled fully
    step = pred.numel() * 0.01 * pred.grad  # 0.01 for a pixel that is pulled fully
    after = loss(pred.detach() - step, target)
    assert after < before - 0.004


def test_gradient_of_either_side(images):
    pred, target = (image.clone().requires_grad_() for image in images)
    HistogramMatchingLoss()(pred, target).backward()
    assert pred.grad is not None
    assert target.grad is not None
    assert pred.grad.abs().sum() > 0
    assert target.grad.abs().sum() > 0


def counted_loss(pred: Tensor, target: Tensor) -> Tensor:
    """The mistake of erratum 9: Eq. 5 with torch.histc."""
    counts = [torch.histc(image, 256, 0, 1) / image.numel() for image in (pred, target)]
    return emd(*counts)


def test_erratum_9_counting_has_no_gradient(images):
    pred, target = images
    pred = pred.clone().requires_grad_()
    with pytest.raises(RuntimeError, match="does not require grad"):
        counted_loss(pred, target).backward()

    l2 = nn.functional.mse_loss(pred, target)
    (alone,) = torch.autograd.grad(l2, pred, retain_graph=True)
    total = l2 + counted_loss(pred, target)
    (together,) = torch.autograd.grad(total, pred)
    assert total > l2 + 1  # it shows in the loss curve
    assert torch.equal(alone, together)  # and does nothing

    (ours,) = torch.autograd.grad(HistogramMatchingLoss()(pred, target), pred)
    assert (ours != 0).float().mean() > 0.9


# Eq. 6


def test_eq_6(images):
    pred, target = images
    loss = EnhancementLoss("l2+histmatch", lam=0.1, bins=100, outside="clamp")
    total = loss(pred, target)
    l2 = ((pred - target) ** 2).mean()
    histmatch = HistogramMatchingLoss(100, outside="clamp")(pred, target)
    assert total.item() == pytest.approx((l2 + 0.1 * histmatch).item(), rel=1e-6)
    assert loss.terms.keys() == {"l2", "histmatch"}
    assert loss.terms["l2"].item() == pytest.approx(l2.item())
    assert loss.terms["histmatch"].item() == pytest.approx(histmatch.item())


def test_pixel_losses(images):
    pred, target = images
    assert torch.equal(EnhancementLoss("l1")(pred, target), (pred - target).abs().mean())
    assert torch.equal(EnhancementLoss("l2")(pred, target), nn.functional.mse_loss(pred, target))


def test_terms_are_for_logging(images):
    pred, target = images
    loss = EnhancementLoss("l1+histmatch")
    total = loss(pred.clone().requires_grad_(), target)
    assert total.requires_grad
    assert not any(term.requires_grad for term in loss.terms.values())
    assert loss.state_dict() == {}


@pytest.mark.usefixtures("registry")
def test_a_user_registers_a_term(images):
    @register_term("mean")
    class MeanColour(nn.Module):
        def __init__(self, weight: float = 1.0) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(weight))

        def forward(self, pred: Tensor, target: Tensor) -> Tensor:
            return self.weight * (pred.mean((2, 3)) - target.mean((2, 3))).abs().mean()

    pred, target = images
    loss = EnhancementLoss("l2+histmatch+mean", lam=0.5, weight=2.0)
    total = loss(pred, target)
    terms = loss.terms
    wanted = terms["l2"] + 0.5 * (terms["histmatch"] + terms["mean"])
    assert total.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert [name for name, _ in loss.named_parameters()] == ["losses.mean.weight"]
    with pytest.raises(ValueError, match=r"must be without '\+'"):
        register_term("a+b")


# Refusals


@pytest.mark.parametrize("name", ["l3", "l2+", "", "l2+l2", "l2 + histmatch", "histmatching"])
def test_unknown_names(name):
    with pytest.raises(ValueError, match=r"different terms of .*histmatch, l1, l2"):
        EnhancementLoss(name)


def test_options_are_refused_at_once():
    with pytest.raises(TypeError, match="binz"):
        EnhancementLoss("l2+histmatch", binz=50)
    with pytest.raises(TypeError, match="bins"):
        EnhancementLoss("l2", bins=50)
    with pytest.raises(ValueError, match="lam must be 0 or more"):
        EnhancementLoss("l2", lam=-1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": "percent"}, "units must be one of 'bins', 'intensity', got 'percent'"),
        ({"outside": "keep"}, "outside must be one of"),
        ({"bins": 0}, "bins must be at least 1"),
        ({"alpha": -1}, "alpha must be positive"),
        ({"range": (1, 0)}, "range must be"),
    ],
)
def test_values_of_options_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        HistogramMatchingLoss(**options)


@pytest.mark.parametrize("name", ["l1", "l2", "histmatch", "l2+histmatch"])
def test_images_are_checked(images, name):
    pred, target = images
    loss = EnhancementLoss(name)
    with pytest.raises(ValueError, match=r"same shape, got \(2, 3, 48, 64\) and \(1, 3, 48, 64\)"):
        loss(pred, target[:1])
    with pytest.raises(ValueError, match=r"must be \(B, C, H, W\), got \(3, 48, 64\)"):
        loss(pred[0], target[0])
    with pytest.raises(TypeError, match=r"target must be floating point.*255"):
        loss(pred, (target * 255).byte())


def test_nan_is_refused(images):
    pred, target = images
    pred = pred.clone()
    pred[0, 1, 2, 3] = torch.nan
    with pytest.raises(ValueError, match="values must be finite"):
        HistogramMatchingLoss()(pred, target)


def test_images_of_two_sizes_compare_by_their_histograms(images):
    # what the refusal of two shapes advises
    pred, target = images
    small = pred[..., ::2, ::2]
    distance = emd(soft_histogram(small.flatten(2)), soft_histogram(target.flatten(2)))
    assert distance.shape == (2, 3)


def test_half_precision(images):
    pred, target = images
    half = HistogramMatchingLoss(50)(pred.bfloat16(), target)
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(HistogramMatchingLoss(50)(pred, target).item(), rel=0.01)


@pytest.mark.parametrize("lam", [0.02, 0.1])
def test_erratum_11_the_pulls_balance_at_half_of_lambda(lam):
    target = torch.linspace(0.3, 0.8, 3 * 60 * 80, dtype=torch.float64).view(1, 3, 60, 80)

    def pull(loss: nn.Module, error: float) -> float:
        pred = (target - error).requires_grad_()
        loss(pred, target).backward()
        assert pred.grad is not None
        return pred.grad.abs().mean().item()

    histogram = HistogramMatchingLoss(units="intensity", outside="clamp")
    for error, mean_wins in ((lam / 2 - 0.005, False), (lam / 2 + 0.005, True)):
        assert (pull(nn.MSELoss(), error) > lam * pull(histogram, error)) == mean_wins
    summed = pull(nn.MSELoss(reduction="sum"), lam / 2)
    assert summed / (lam * pull(histogram, lam / 2)) == pytest.approx(target.numel(), rel=0.02)


# The terms that the paper does not try


def mean_over_channels(distance, pred: Tensor, target: Tensor) -> float:
    channels = zip(pred.flatten(0, 1).flatten(1), target.flatten(0, 1).flatten(1), strict=True)
    distances = [distance(a.numpy(), b.numpy()) for a, b in channels]
    return sum(distances) / len(distances)


def test_w1_is_scipys_distance_of_the_pixels(images):
    expected = mean_over_channels(scipy.stats.wasserstein_distance, *images)
    assert EnhancementLoss("w1")(*images).item() == pytest.approx(expected, rel=1e-5)


def test_cramer_is_the_squared_energy_distance_of_scipy(images):
    loss = EnhancementLoss("cramer", bins=1024, alpha=1e4, units="intensity")
    # scipy has sqrt(2 int (F - G)^2)
    expected = mean_over_channels(lambda a, b: scipy.stats.energy_distance(a, b) ** 2 / 2, *images)
    assert loss(*images).item() == pytest.approx(expected, rel=2e-3)


def test_sliced_is_pots_on_the_same_directions(images):
    term = EnhancementLoss("sliced", directions=5).losses["sliced"]
    assert isinstance(term.directions, Tensor)
    assert term.directions.norm(dim=1).tolist() == pytest.approx([1] * 5, abs=1e-6)
    expected = [
        ot.sliced_wasserstein_distance(
            a.flatten(1).T.numpy(),
            b.flatten(1).T.numpy(),
            projections=term.directions.T.numpy(),
            p=1,
        )
        for a, b in zip(*images, strict=True)
    ]
    assert term(*images).item() == pytest.approx(sum(expected) / 2, rel=1e-4)


def test_sliced_sees_colours_where_the_channels_agree():
    """Red with cyan and black with white have the same histograms in each channel."""
    grey = (torch.arange(256) % 2).float().view(1, 1, 16, 16)
    neutral, coloured = grey.expand(1, 3, 16, 16), torch.cat([grey, 1 - grey, 1 - grey], 1)
    assert EnhancementLoss("w1")(neutral, coloured).item() == pytest.approx(0, abs=1e-7)
    assert EnhancementLoss("sliced")(neutral, coloured).item() > 0.05


def test_ssim_is_scikit_images_with_its_gaussian(images):
    pred, target = (image.double() for image in images)
    expected = [
        structural_similarity(
            a.numpy(),
            b.numpy(),
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(pred, target, strict=True)
    ]
    assert 1 - EnhancementLoss("ssim")(pred, target).item() == pytest.approx(
        sum(expected) / 2, abs=2e-3
    )
    assert EnhancementLoss("ssim")(pred, pred).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["w1", "cramer", "sliced", "ssim", "l2+w1", "l2+sliced"])
def test_their_gradients(name):
    g = torch.Generator().manual_seed(2)
    side = 12 if name == "ssim" else 3
    pred, target = torch.rand(2, 1, 3, side, side, generator=g, dtype=torch.float64)
    loss = EnhancementLoss(name).double()
    pred.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, target), (pred,), fast_mode=name == "ssim")


def test_what_they_refuse(images):
    with pytest.raises(ValueError, match="directions must be at least 1"):
        EnhancementLoss("sliced", directions=0)
    for name in ("w1", "sliced", "ssim", "cramer"):
        with pytest.raises(ValueError, match="pred and target must have the same shape"):
            EnhancementLoss(name)(images[0], images[1][..., 1:])
    with pytest.raises(ValueError, match=r"pred must be \(B, 3, H, W\)"):
        EnhancementLoss("sliced")(images[0][:, :2], images[1][:, :2])
