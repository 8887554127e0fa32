"""Archives among the files, and links: out of a folder, in a circle, in the place of an output."""

import nbformat
import pytest
from nbformat import v4

from histmatch_lab import HDRNet
from histmatch_lab._files import LOCK, one_run
from histmatch_lab.hdrnet import save_network
from tests.command import run
from tests.data.files import prepared_pairs, write_pictures

SHORT = ("--crop", 16, "--epochs", 1, "--loss", "l2")


@pytest.fixture
def album(tmp_path):
    """A picture, links to one elsewhere, to nothing and to itself, to the folder, two archives."""
    album = tmp_path / "album"
    write_pictures(album, ["a.png"])
    write_pictures(tmp_path / "elsewhere", ["b.png"])
    (album / "linked.png").symlink_to(tmp_path / "elsewhere/b.png")
    (album / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (album / "round.png").symlink_to("round.png")
    (album / "again").symlink_to(album)
    for name in ("a.zip", "b.tar"):
        (album / name).write_bytes(b"")
    return album


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_network(HDRNet.compact(), path, {})
    return path


def test_enhance_follows_links_to_pictures_and_never_writes_through_one(album, weights, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").symlink_to(tmp_path / "elsewhere/b.png")
    before = (tmp_path / "elsewhere/b.png").read_bytes()
    output = run("enhance", weights, album, "-o", out, code=1)
    assert "2 of 4 pictures written" in output
    assert "gone.png does not exist" in output
    assert "round.png does not exist" in output
    assert "3 other files passed over: 1 .zip, 1 again, 1 .tar" in output
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "linked.png"]
    assert not (out / "a.png").is_symlink()
    assert (tmp_path / "elsewhere/b.png").read_bytes() == before


def test_enhance_knows_a_picture_by_a_link_to_it(album, weights, tmp_path):
    picture = tmp_path / "elsewhere/b.png"
    before = picture.read_bytes()
    output = run("enhance", weights, album / "linked.png", "-o", album, code=2)
    assert "would replace the picture itself" in " ".join(output.split())
    assert picture.read_bytes() == before


def test_prepare_follows_links_to_pictures_and_ends_where_they_go_round(album, tmp_path):
    write_pictures(tmp_path / "after", ["a.png", "linked.png", "gone.png", "round.png"])
    output = run("prepare", "folder", album, tmp_path / "after", tmp_path / "pairs", code=1)
    assert "2 other files passed over: 1 .zip, 1 .tar" in output
    assert "2 pairs in" in output
    assert "2 skipped" in output


def test_collect_takes_no_link_for_a_hand_in(tmp_path):
    folder, cell = tmp_path / "class", v4.new_code_cell("check_bin_center(0.31)")
    folder.mkdir()
    nbformat.write(v4.new_notebook(cells=[cell]), tmp_path / "solved.ipynb")
    (folder / "anna.ipynb").symlink_to(tmp_path / "solved.ipynb")
    (folder / "bert.ipynb").symlink_to("bert.ipynb")
    (folder / "again").symlink_to(folder)
    (folder / "zoe.zip").write_bytes(b"PK")
    output = run("collect", folder, "-o", tmp_path / "table.csv", code=1)
    anna, bert = (tmp_path / "table.csv").read_text("utf-8-sig").splitlines()[1:]
    assert anna.startswith('anna.ipynb,,error,"ValueError: a link out of the folder')
    assert bert.startswith("bert.ipynb,,error,")
    assert "2 other files passed over: 1 again, 1 .zip" in output


def test_a_training_appends_to_no_file_elsewhere(tmp_path):
    data, out, other = prepared_pairs(tmp_path), tmp_path / "run", tmp_path / "other"
    out.mkdir()
    other.write_text("precious")
    (out / "log.jsonl").symlink_to(other)
    output = run("train", data, out, *SHORT, code=2)
    assert "must be a file of its own, got a link" in " ".join(output.split())
    assert other.read_text() == "precious"


def test_the_lock_of_a_folder_empties_no_file_elsewhere(tmp_path):
    out, other = tmp_path / "run", tmp_path / "other"
    out.mkdir()
    other.write_text("precious")
    (out / LOCK).symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"), one_run(out):
        pass
    assert other.read_text() == "precious"
