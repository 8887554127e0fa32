"""`histmatch-lab export`: a trained network for other programs."""

import warnings
from pathlib import Path

import click
import torch
from torch import Tensor

from histmatch_lab._checks import import_extra
from histmatch_lab._files import write_whole
from histmatch_lab.cli.shared import FILE, exit_codes
from histmatch_lab.data.images import load_image
from histmatch_lab.hdrnet import Network, load_network, network_facts
from histmatch_lab.lut import ImageAdaptiveLUT
from histmatch_lab.ops.ramps import sum_of_ramps_plainly
from histmatch_lab.ops.slices import sliced_plainly

PLAIN = {
    torch.ops.histmatch_lab.sliced.default: sliced_plainly,
    torch.ops.histmatch_lab.sum_of_ramps.default: sum_of_ramps_plainly,
}


@click.command()
@click.argument("weights", type=FILE)
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--picture", type=FILE, help="Whose table OUT.cube is to hold.")
def export(weights: Path, out: Path, picture: Path | None) -> None:
    """Write a trained network as OUT.onnx, or one picture's table as OUT.cube.

    ONNX holds the whole network, from "image" to "enhanced": (B, 3, H, W) float32 of any size, in
    the encoding that its metadata name. A .cube is a table of colours for photo and video editors,
    for one --picture and those taken alike; only the network "lut" makes such tables.
    """
    with exit_codes():
        network = load_network(weights).eval()
        if out.suffix.lower() == ".onnx":
            data = onnx_bytes(network, network_facts(weights))
        elif out.suffix.lower() == ".cube":
            data = _table_for(network, picture).encode()
        else:
            raise ValueError(f"OUT must end in .onnx or .cube, got {out}")
    write_whole(out, data)


def onnx_bytes(network: Network, facts: dict[str, str]) -> bytes:
    """The network as an ONNX model for pictures of any size, with the facts as its metadata."""
    import_extra("onnxscript", "writes ONNX", "onnx")
    image, size = torch.zeros(2, 3, 48, 64), torch.export.Dim.DYNAMIC
    with warnings.catch_warnings():  # torch warns of its own parts
        warnings.simplefilter("ignore")
        program = torch.export.export(
            network, (image,), dynamic_shapes=({0: size, 2: size, 3: size},)
        )
        onnx = torch.onnx.export(
            program.run_decompositions(PLAIN),
            dynamo=True,
            input_names=["image"],
            output_names=["enhanced"],
            verbose=False,
        )
    assert onnx is not None
    model = onnx.model_proto
    for name, fact in facts.items():
        model.metadata_props.add(key=name, value=fact)
    data: bytes = model.SerializeToString()
    return data


def cube_text(lut: Tensor) -> str:
    """A table (3, S, S, S) as `apply_lut` takes it, as the text of a .cube file.

    >>> from histmatch_lab.lut import identity_lut
    >>> cube_text(identity_lut(2)).splitlines()[:3]
    ['LUT_3D_SIZE 2', '0.000000 0.000000 0.000000', '1.000000 0.000000 0.000000']
    """
    rows = lut.movedim(0, -1).reshape(-1, 3).tolist()  # red changes fastest
    lines = (" ".join(f"{value:.6f}" for value in row) for row in rows)
    return "\n".join([f"LUT_3D_SIZE {lut.shape[-1]}", *lines, ""])


@torch.no_grad()
def _table_for(network: Network, picture: Path | None) -> str:
    if not isinstance(network, ImageAdaptiveLUT):
        raise ValueError(
            "WEIGHTS must be of a network with one table for a picture, ImageAdaptiveLUT, "
            f"got {type(network).__name__}"
        )
    if picture is None:
        raise ValueError("--picture must be given: each picture has a table of its own")
    return cube_text(network.lut(load_image(picture)[None])[0])
