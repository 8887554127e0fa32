"""What figures are tested against, by other means than theirs."""

import numpy as np


def soft_reference(values, bins, slope):
    """The soft histogram of samples, (N,), as Eq. 1-3 state it, in float64, the rest dropped."""
    levels, counts = np.unique(values, return_counts=True)
    below = 0.5 * (1 + np.tanh(slope * (levels[:, None] - np.linspace(0, 1, bins + 1)) / 2))
    return (counts / counts.sum()) @ (below[:, :-1] - below[:, 1:])
