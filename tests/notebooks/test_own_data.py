"""Notebook 07 on data that a reader brings: the shipped movies are what `nbval` runs it on."""

import pytest

from histmatch_lab.color import srgb_to_linear
from histmatch_lab.data.own.prepared import read_manifest
from histmatch_lab.publish.execution import execute
from tests.data.files import picture, write_dng, write_pictures, write_prophoto_tiff
from tools.refresh import ROOT

NOTEBOOK = ROOT / "notebooks" / "07_your_own_data.ipynb"
NAMES = [f"a{number:04d}" for number in range(5)]
SIZE = {"height": 64, "width": 96}


def _folders(root):
    write_pictures(root / "before", [f"{name}.png" for name in NAMES], bits=16, **SIZE)
    write_pictures(root / "after", [f"{name}.jpg" for name in NAMES[::-1]], **SIZE)
    return {"INPUT": str(root / "before"), "TARGET": str(root / "after")}


def _fivek(root):
    for number, name in enumerate(NAMES):
        light = srgb_to_linear(picture(number, **SIZE))
        write_dng(root / "raw_photos" / "HQa1to700" / "photos" / f"{name}.dng", light)
        write_prophoto_tiff(root / "tiff16_c" / f"{name}.tif", picture(number + 3, **SIZE))
    return {"FIVEK": str(root)}


@pytest.mark.slow
@pytest.mark.parametrize("make", [_folders, _fivek])
def test_it_runs_on_ones_own_data(tmp_path, make):
    parameters = {**make(tmp_path / "data"), "OUT": str(tmp_path / "out"), "CROP": 32}
    notebook, _ = execute(NOTEBOOK, parameters)
    printed = {
        cell.id: "".join(o.get("text", "") for o in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    }
    assert "5 pairs" in printed["source"]
    assert "4 to train on, 1 to test on" in printed["prepare"]
    assert "nothing to synchronise" in printed["show-sync"]
    assert "not an HDR movie" in printed["show-exposures"]
    assert "λ = 0.1 " in printed["compare"]
    assert len(read_manifest(tmp_path / "out" / "pairs")["pairs"]) == 5
