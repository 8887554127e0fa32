"""A course and a small library on the differentiable histogram as a loss.

After Mustafa, You and Mantiuk, "A Comparative Study on the Loss Functions for Image
Enhancement Networks" (2022).
"""

from histmatch_lab.distances import emd, wasserstein_1d
from histmatch_lab.hdrnet import HDRNet, load_network, network_facts, save_network
from histmatch_lab.histogram import (
    bin_centers,
    bin_edges,
    gradient_ripple,
    hard_histogram,
    soft_cdf,
    soft_histogram,
)
from histmatch_lab.losses import EnhancementLoss, HistogramMatchingLoss
from histmatch_lab.lut import ImageAdaptiveLUT, apply_lut
from histmatch_lab.slicing import bilateral_slice, slice_and_apply
from histmatch_lab.training.seeding import seed_everything

__all__ = [
    "EnhancementLoss",
    "HDRNet",
    "HistogramMatchingLoss",
    "ImageAdaptiveLUT",
    "apply_lut",
    "bilateral_slice",
    "bin_centers",
    "bin_edges",
    "emd",
    "gradient_ripple",
    "hard_histogram",
    "load_network",
    "network_facts",
    "save_network",
    "seed_everything",
    "slice_and_apply",
    "soft_cdf",
    "soft_histogram",
    "wasserstein_1d",
]
