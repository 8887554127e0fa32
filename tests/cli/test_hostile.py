"""Files that mean harm: nothing in them runs, and their names are only names."""

import html.parser
import pickle
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import torch

from histmatch_lab.publish.batch import NotebookRun
from histmatch_lab.publish.contents import notebook_contents
from histmatch_lab.publish.page import write_framed
from tests.command import run
from tests.data.files import prepared_pairs

NAMES = ["<img src=x onerror=alert(1)>", "javascript:alert(1)", "a#b?c 100%", "quote'\"", "-o"]


class Touch:
    """Once unpickled, it has made a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("save", [torch.save, lambda it, path: path.write_bytes(pickle.dumps(it))])
def test_weights_cannot_run_code(save, tmp_path):
    made, weights = tmp_path / "made", tmp_path / "weights.safetensors"
    save(Touch(made), weights)
    (tmp_path / "a.png").write_bytes(b"")
    output = run("enhance", weights, tmp_path / "a.png", "-o", tmp_path / "out", code=2)
    assert "must be a safetensors file" in " ".join(output.split())
    assert not made.exists()


def test_the_state_of_a_training_cannot_run_code(tmp_path):
    data, out, made = prepared_pairs(tmp_path), tmp_path / "run", tmp_path / "made"
    out.mkdir()
    torch.save(Touch(made), out / "state.pt")
    output = run("train", data, out, "--crop", 16, "--epochs", 1, "--loss", "l2", code=2)
    assert "state.pt must be the state of a training" in " ".join(output.split())
    assert not made.exists()


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch made']",
        "loss: !!python/name:os.system",
        "loss: !!python/object/new:os._wrap_close []",
    ],
)
def test_a_sweep_cannot_run_code(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(text)
    assert "must be YAML" in " ".join(run("sweep", "sweep.yaml", code=2).split())
    assert not Path("made").exists()


class _Page(html.parser.HTMLParser):
    """The tags of a page, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]


def test_names_of_notebooks_reach_no_page_unescaped(tmp_path):
    runs = [NotebookRun(name, "passed", {"PHOTO": f"{name}</td><script>"}) for name in NAMES]
    pages = dict.fromkeys(NAMES)
    write_framed(tmp_path / "a.html", "runs.html.j2", title=NAMES[0], runs=runs, pages=pages)
    page = _Page((tmp_path / "a.html").read_text())
    plain = tmp_path / "b.html"
    write_framed(plain, "runs.html.j2", title="Report", runs=[], pages={})
    assert page.tags.count("script") == _Page(plain.read_text()).tags.count("script")
    assert "img" not in page.tags
    links = [link for link in page.links if link.endswith(".html")]
    assert [unquote(link) for link in links[-len(NAMES) :]] == [f"{name}.html" for name in NAMES]
    assert not any(urlsplit(link).scheme for link in links)


@pytest.mark.parametrize("name", NAMES)
def test_the_address_of_a_page_is_one(name):
    from nbformat import v4

    address = notebook_contents(name, v4.new_notebook())["file"]
    assert unquote(address) == f"{name}.html"
    assert urlsplit(address)._replace(path="").geturl() == ""
