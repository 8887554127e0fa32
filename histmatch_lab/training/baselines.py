"""Enhancement that needs no training, to compare a network with."""

import numpy as np
import torch
from skimage.exposure import equalize_adapthist, match_histograms
from torch import Tensor

from histmatch_lab._checks import check_same_shape


def clahe(image: Tensor, *, clip_limit: float = 0.01) -> Tensor:
    """Contrast-limited adaptive histogram equalization (Pizer et al. 1987) of the value in HSV.

    (B, 3, H, W) in [0, 1] to the same; clip_limit as in scikit-image.
    """
    images = image.detach().cpu().clamp(0, 1).movedim(1, -1).numpy()
    equalized = [equalize_adapthist(rgb, clip_limit=clip_limit) for rgb in images]
    return torch.from_numpy(np.stack(equalized)).movedim(-1, 1).to(image)


def histogram_oracle(image: Tensor, target: Tensor) -> Tensor:
    """Each channel with exactly the target's histogram: what no model can know from the input.

    (B, 3, H, W) twice. An oracle, not a rival: it knows the target. It shows what the histogram
    alone is worth, since a tone curve per channel is all that it applies.
    """
    check_same_shape("image and target", image, target)
    pairs = zip(image.detach().cpu().numpy(), target.detach().cpu().numpy(), strict=True)
    matched = [match_histograms(source, aim, channel_axis=0) for source, aim in pairs]
    return torch.from_numpy(np.stack(matched)).to(image)
