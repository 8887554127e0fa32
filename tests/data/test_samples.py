"""The shipped photographs are the ones the table names, and they are found from everywhere."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

import histmatch_lab.data.samples as samples
from histmatch_lab.data.images import ImageError, load_image
from histmatch_lab.data.samples import credit, data_samples_dir, open_photo, photo, photo_names

FOLDER = Path(__file__).parents[2] / "data_samples"
LICENCES = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC BY 2.0": "https://creativecommons.org/licenses/by/2.0/",
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
}


def table() -> list[dict[str, str]]:
    """The README's tables as one, parsed apart from the library's parser."""
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    lines = [line for line in readme.splitlines() if line.startswith("|")]
    head, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    files = [row for row in rows if "/" in row[0]]
    assert len(files) == len(rows) - 1  # the rule below the head
    return [dict(zip(head, row, strict=True)) for row in files]


PHOTOS = [row for row in table() if row["File"].startswith("photos/")]


@pytest.mark.parametrize("row", table(), ids=lambda row: row["File"])
def test_each_file_is_the_one_that_is_documented(row):
    content = (FOLDER / row["File"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == row["SHA-256"].strip("`")
    assert row["Changes"] == "none"
    assert row["Author"]
    assert row["Shows"]
    assert "https://" in row["Source"] or "http://" in row["Source"]
    match = re.fullmatch(r"\[(.+)\]\((https://.+)\)", row["Licence"])
    assert match
    assert match[1] in {*LICENCES, "public domain"}
    assert LICENCES.get(match[1], match[2]) == match[2]


def test_no_file_is_unlisted_or_missing():
    listed = [row["File"] for row in table()]
    assert len({Path(file).stem for file in listed}) == len(listed)
    found = {f"photos/{file.name}" for file in (FOLDER / "photos").iterdir()}
    assert found == set(listed)


def test_photographs_stay_small():
    sizes = [file.stat().st_size for file in (FOLDER / "photos").iterdir()]
    assert sum(sizes) < 3_000_000


def test_course_offers_the_photos_in_the_order_of_their_table():
    assert photo_names() == tuple(Path(row["File"]).stem for row in PHOTOS)


@pytest.mark.parametrize("name", [Path(row["File"]).stem for row in table()])
def test_every_photograph_opens(name):
    image = photo(name)
    assert image.dtype == torch.float32
    assert image.shape[0] == 3
    assert 0 <= image.min() < 0.1
    assert 0.9 < image.max() <= 1
    assert max(photo(name, max_side=64).shape) == 64


def test_levels_are_those_of_the_file():
    stored = np.asarray(Image.open(FOLDER / "photos/astronaut.webp"))
    wanted = stored.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(photo("astronaut").permute(1, 2, 0), wanted)


def test_changing_a_photograph_does_not_change_the_next():
    first = photo("coffee", max_side=40)
    first.zero_()
    assert photo("coffee", max_side=40).max() > 0.5


def test_unknown_name_lists_the_known():
    for call in (photo, credit):
        with pytest.raises(ValueError, match=r"name must be one of coffee, astro.*got 'cofee'"):
            call("cofee")


def test_credit_says_what_the_licence_asks():
    assert credit("flower") == "A dahlia (vultilion, CC BY 2.0)"
    assert credit("astronaut") == "Astronaut Eileen Collins (NASA, public domain)"
    for name in photo_names():
        assert not set("[]|`") & set(credit(name))


# open_photo


def test_open_photo_takes_a_name_or_a_path(tmp_path):
    path = tmp_path / "my holiday.webp"
    shutil.copy(FOLDER / "photos/chelsea.webp", path)
    assert torch.equal(open_photo("chelsea"), photo("chelsea"))
    assert torch.equal(open_photo(path), photo("chelsea"))
    assert torch.equal(open_photo(str(path), max_side=50), load_image(path, max_side=50))


def test_name_of_a_sample_wins_over_a_file_and_a_path_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (4, 4)).save("coffee", "PNG")
    assert open_photo("coffee").shape == (3, 400, 600)
    assert open_photo("./coffee").shape == (3, 4, 4)
    assert open_photo(Path("coffee")).shape == (3, 4, 4)


def test_open_photo_lists_the_samples_when_it_finds_nothing(tmp_path):
    with pytest.raises(ImageError, match=r"'?cofee'? does not exist.*coffee, astronaut, china"):
        open_photo("cofee")
    (tmp_path / "a.jpg").write_text("text")
    with pytest.raises(ImageError, match=r"a\.jpg.*holds text.*Samples: coffee"):
        open_photo(tmp_path / "a.jpg")
    number: Any = 3
    with pytest.raises(TypeError, match=r"name_or_path must be .*got int"):
        open_photo(number)


def test_a_notebook_shows_a_wrong_name_in_one_line(capsys):
    shell = InteractiveShell()
    shell.run_cell("from histmatch_lab.data.samples import open_photo; open_photo('cofee')")
    [line] = capsys.readouterr().out.splitlines()
    assert "Did you mean coffee?" in line


@pytest.mark.usefixtures("installed_elsewhere")
def test_own_picture_needs_no_samples(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(path)
    monkeypatch.chdir(tmp_path)
    assert open_photo(path).shape == (3, 4, 4)
    with pytest.raises(ImageError, match="nothing does not exist"):
        open_photo("nothing")


# Where the folder is found


@pytest.fixture
def installed_elsewhere(tmp_path, monkeypatch):
    """As from a wheel: nothing lies beside the package."""
    monkeypatch.delenv("HISTMATCH_LAB_DATA", raising=False)
    package = tmp_path / "site-packages/histmatch_lab/data/samples.py"
    monkeypatch.setattr(samples, "__file__", str(package))


def clone_at(folder: Path) -> Path:
    (folder / "data_samples/photos").mkdir(parents=True)
    shutil.copy(FOLDER / "README.md", folder / "data_samples")
    return folder / "data_samples"


def test_found_from_a_clone_wherever_one_stands(tmp_path, monkeypatch):
    monkeypatch.delenv("HISTMATCH_LAB_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert data_samples_dir() == FOLDER


@pytest.mark.usefixtures("installed_elsewhere")
def test_found_in_the_current_folder_and_above(tmp_path, monkeypatch):
    clone = clone_at(tmp_path / "work")
    (tmp_path / "work/notebooks/deep").mkdir(parents=True)
    for start in ("work", "work/notebooks", "work/notebooks/deep"):
        monkeypatch.chdir(tmp_path / start)
        assert data_samples_dir() == clone


@pytest.mark.usefixtures("installed_elsewhere")
def test_found_where_colab_clones_to(tmp_path, monkeypatch):
    clone = clone_at(tmp_path / "content/histmatch-lab")
    monkeypatch.chdir(tmp_path / "content")
    assert data_samples_dir() == clone


def test_environment_variable_comes_first(tmp_path, monkeypatch):
    clone = clone_at(tmp_path)
    monkeypatch.setenv("HISTMATCH_LAB_DATA", str(clone))
    assert data_samples_dir() == clone
    monkeypatch.setenv("HISTMATCH_LAB_DATA", str(tmp_path / "wrong"))
    with pytest.raises(FileNotFoundError, match=r"HISTMATCH_LAB_DATA must be .*wrong"):
        data_samples_dir()


@pytest.mark.usefixtures("installed_elsewhere")
def test_folder_of_another_project_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "data_samples").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"clone the project.*HISTMATCH_LAB_DATA"):
        data_samples_dir()
