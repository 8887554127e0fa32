"""The kernels for NVIDIA GPUs, without one: interpreted, and compiled as far as machine code.

``tests/gpu`` has what needs a GPU.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from histmatch_lab import kernels
from histmatch_lab._binning import Edges, Lattice, choose

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed"
)


@pytest.mark.slow
def test_in_the_interpreter():
    file = Path(__file__).with_name("interpreted.py")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_the_benchmark_rehearses():
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--rehearse"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "Error" not in result.stdout


def test_on_a_cpu_the_code_in_torch_runs():
    rows = torch.rand(1, 100_000)
    assert not kernels.takes_over("histogram", rows)
    assert isinstance(choose(rows, Edges(0.0, 1 / 256, 256, 1000.0)), Lattice)


def test_where_triton_fails_the_code_in_torch_runs(monkeypatch):
    def no_driver():
        raise RuntimeError("no C compiler")

    driver = importlib.import_module("triton").runtime.driver
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(type(driver), "active", property(lambda _: no_driver()))
    with pytest.warns(UserWarning, match="slower code in torch, Triton failed: no C compiler"):
        assert not kernels._run_on.__wrapped__(torch.device("cuda"))


INTEGERS = (
    "samples parts tiles blocks size step reach last bins bands height width rows columns depth"
)
TYPES = {
    **dict.fromkeys(INTEGERS.split(), "i32"),
    **dict.fromkeys(["scale", "scale_rest", "origin", "origin_rest", "sharpness"], "fp32"),
    **dict.fromkeys(["weights", "below"], "*fp64"),
    **dict.fromkeys(
        ["grid", "guide", "image", "out", "pull", "of_guide", "of_image", "upstream"], "*fp32"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "bands", "weighted"), [("*fp32", 16, False), ("*bf16", 64, True)])
def test_the_histogram_compiles(rows, bands, weighted):
    from histmatch_lab.kernels import histogram as h

    types = {**TYPES, "rows": rows, "gradient": rows, "sums": "*fp64"}
    tile = {"SAMPLES": h.SAMPLES, "COLUMNS": h.COLUMNS}
    compiled(h._mass_kernel, types, BANDS=bands, WEIGHTED=weighted, **tile)
    compiled(h._gradient_kernel, types, SAMPLES=h.GRADIENTS)
    compiled(h._add_kernel, types, PARTS=32, EDGES=64)


@pytest.mark.slow
def test_slicing_compiles():
    from histmatch_lab.kernels import slicing as s

    types = {**TYPES, "sums": "*fp32"}
    compiled(s._forward_kernel, types, BLOCK=s.BLOCK)
    compiled(s._pixels_kernel, types, BLOCK=s.BLOCK)
    compiled(s._sums_kernel, types, LEVELS=8, TILE=s.TILE)


def compiled(kernel, types, **constants):
    """Machine code for a Hopper GPU that keeps all it computes in registers."""
    pytest.importorskip("triton", minversion=".".join(map(str, kernels.OLDEST_TRITON)))
    from triton import compiler
    from triton.backends.compiler import GPUTarget

    names = kernel.arg_names
    source = compiler.ASTSource(
        fn=kernel,
        signature={name: types.get(name, "constexpr") for name in names},
        constexprs={(names.index(name),): value for name, value in constants.items()},
    )
    code = compiler.compile(source, target=GPUTarget("cuda", 90, 32))
    assert code.asm["cubin"]
    assert ".local" not in code.asm["ptx"]
