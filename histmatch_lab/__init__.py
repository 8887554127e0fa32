"""A course and a small library on the differentiable histogram as a loss.

After Mustafa, You and Mantiuk, "A Comparative Study on the Loss Functions for Image
Enhancement Networks" (2022).
"""

from histmatch_lab.histogram import (
    bin_centers,
    bin_edges,
    emd,
    gradient_ripple,
    hard_histogram,
    soft_cdf,
    soft_histogram,
)
from histmatch_lab.losses import EnhancementLoss, HistogramMatchingLoss
from histmatch_lab.seeding import seed_everything

__all__ = [
    "EnhancementLoss",
    "HistogramMatchingLoss",
    "bin_centers",
    "bin_edges",
    "emd",
    "gradient_ripple",
    "hard_histogram",
    "seed_everything",
    "soft_cdf",
    "soft_histogram",
]
