"""Triton kernels for NVIDIA GPUs, and where they take over from the operators' code in torch.

Triton comes with torch for CUDA. Without it, and on any other device, the code in torch runs.
"""

import subprocess
import warnings
from functools import cache

import torch
from torch import Tensor

# The one place to decide: which are faster than torch on a GPU, as `make bench-gpu` measures.
FASTER = frozenset({"histogram", "slicing"})
OLDEST_GPU = (8, 0)  # Ampere, the first that multiplies float32 matrices in parts of 11 bits (TF32)
OLDEST_TRITON = (3, 3)  # before, its compiler aborts on ours


def takes_over(operation: str, values: Tensor) -> bool:
    """Whether the kernel computes this: for float32 on a GPU and with a Triton that it suits."""
    fits = operation in FASTER and values.is_cuda and values.dtype == torch.float32
    return fits and _run_on(values.device)


@cache
def _run_on(device: torch.device) -> bool:
    if torch.version.hip or torch.cuda.get_device_capability(device) < OLDEST_GPU:
        return False
    try:
        import triton

        triton.runtime.driver.active.get_current_target()  # needs a C compiler and Python's headers
    except ModuleNotFoundError:
        return False
    except (RuntimeError, subprocess.SubprocessError) as error:
        warnings.warn(
            f"the GPU runs our slower code in torch, Triton failed: {error}", stacklevel=2
        )
        return False
    return tuple(int(part) for part in triton.__version__.split(".")[:2]) >= OLDEST_TRITON
