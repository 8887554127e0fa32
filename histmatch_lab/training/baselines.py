"""Enhancement that needs no training, to compare a network with."""

import torch
from skimage.exposure import equalize_adapthist, match_histograms
from torch import Tensor

from histmatch_lab._checks import check_same_shape


def clahe(image: Tensor) -> Tensor:
    """Contrast-limited adaptive histogram equalization (Pizer et al. 1987) of the value in HSV.

    (3, H, W) in [0, 1] to the same, with scikit-image's limit of contrast.
    """
    rgb = image.detach().cpu().clamp(0, 1).movedim(0, -1).numpy()
    return torch.from_numpy(equalize_adapthist(rgb, clip_limit=0.01)).movedim(-1, 0).to(image)


def histogram_oracle(image: Tensor, target: Tensor) -> Tensor:
    """Each channel with exactly the target's histogram: what no model can know from the input.

    (3, H, W) twice. An oracle, not a rival: it knows the target. It shows what the histogram
    alone is worth, since a tone curve per channel is all that it applies.
    """
    check_same_shape("image and target", image, target)
    source, aim = (picture.detach().cpu().numpy() for picture in (image, target))
    return torch.from_numpy(match_histograms(source, aim, channel_axis=0)).to(image)
