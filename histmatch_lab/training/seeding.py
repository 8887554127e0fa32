"""The one place where randomness is seeded."""

import random

import numpy as np
import torch


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python, numpy and torch (every device) and return a CPU generator of the same seed.

    The same seed gives the same numbers on the same machine; other machines may differ in the
    last digits.

    >>> torch.equal(torch.rand(2, generator=seed_everything(3)), torch.rand(2))
    True
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries that we call draw from the global generator
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def generator_for(seed: int, step: int) -> torch.Generator:
    """The CPU generator of one step of training, which depends on no step before.

    >>> draws = [torch.rand(1, generator=generator_for(0, step)).item() for step in (7, 8, 7)]
    >>> draws[0] == draws[2], draws[0] == draws[1]
    (True, False)
    """
    state = np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)
