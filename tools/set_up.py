"""Write the project's address and version where they are needed (`make notebooks` does).

Both are kept in pyproject.toml alone, as project.urls.Repository and project.version. From there
come the set-up cell and the Colab link of each notebook, the links of README.md, and the
repository-code of CITATION.cff.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode, v4

from histmatch_lab._files import write_whole

ROOT = Path(__file__).parents[1]
CELL_ID = "colab"
_GITHUB = "https://github.com/"
_COLAB = "https://colab.research.google.com/github/"
_BINDER = "https://mybinder.org/v2/gh/"
_CODESPACES = "https://codespaces.new/"
_LINK = "[Open in Colab]"
_CELL = """\
# On Google Colab, fetch the course and what Colab lacks; elsewhere, see that it is there.
import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path

if "google.colab" in sys.modules:
    if not Path("histmatch-lab").is_dir():
        address = "{address}"
        clone = f"git clone --quiet --depth 1 --branch {tag} {{address}} histmatch-lab"
        subprocess.run(clone.split(), check=True)
    runpy.run_path("histmatch-lab/histmatch_lab/course/colab.py", run_name="__main__")
elif not importlib.util.find_spec("histmatch_lab"):
    sys.exit("This kernel lacks the course: run make lab in its folder, then open it there")"""


@dataclass(frozen=True)
class Home:
    """Where a release of the project is found.

    Attributes:
        address: of the repository on GitHub, from where Colab and Binder open notebooks.
        tag: of the release.
    """

    address: str
    tag: str

    @property
    def slug(self) -> str:
        """OWNER/NAME."""
        return self.address.removeprefix(_GITHUB)

    @property
    def cell(self) -> str:
        """The set-up cell of each notebook."""
        return _CELL.format(address=self.address, tag=self.tag)

    def on_colab(self, notebook: str) -> str:
        """The address at which Colab opens the notebook of that name."""
        return f"{_COLAB}{self.slug}/blob/{self.tag}/notebooks/{notebook}"


def home(root: Path) -> Home:
    """The address and version in pyproject.toml; ValueError for an address not on GitHub."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project["urls"]["Repository"]
    if not re.fullmatch(rf"{_GITHUB}[\w.-]+/[\w.-]+(?<!\.git)", address):
        raise ValueError(
            f"project.urls.Repository is {address!r}; wanted is {_GITHUB}OWNER/NAME, "
            "from where Colab and Binder can open notebooks"
        )
    return Home(address, f"v{project['version']}")


def write(root: Path) -> list[Path]:
    """Bring the files into line; returns those that were not, the others are left untouched."""
    where = home(root)
    changed = []
    for path in (root / "README.md", root / "CITATION.cff", *root.glob("notebooks/*.ipynb")):
        old = path.read_text(encoding="utf-8")
        new = _notebook(old, path.name, where) if path.suffix == ".ipynb" else _links(old, where)
        if new != old:
            write_whole(path, new.encode())
            changed.append(path)
    return changed


def _links(text: str, where: Home) -> str:
    for pattern, link in (
        (rf"{_COLAB}[\w.-]+/[\w.-]+/blob/[^/]+", f"{_COLAB}{where.slug}/blob/{where.tag}"),
        (rf"{_BINDER}[\w.-]+/[\w.-]+/[^?]+", f"{_BINDER}{where.slug}/{where.tag}"),
        (rf"{_CODESPACES}[\w.-]+/[\w.-]+", f"{_CODESPACES}{where.slug}"),
        (r"(?<=git clone )\S+", where.address),
        (r"(?<=\nrepository-code: ).+", where.address),
    ):
        text = re.sub(pattern, link, text)
    return text


def _notebook(text: str, name: str, where: Home) -> str:
    notebook = nbformat.reads(text, as_version=4)
    title = notebook.cells[0]
    prose = re.sub(rf"\n+{re.escape(_LINK)}\(.*?\)", "", title.source)
    title.source = f"{prose}\n\n{_LINK}({where.on_colab(name)})"
    _set_up_cell(notebook).source = where.cell
    return f"{nbformat.writes(notebook)}\n"


def _set_up_cell(notebook: NotebookNode) -> NotebookNode:
    """The notebook's set-up cell; a new one, before the first code but the parameters, if none."""
    for cell in notebook.cells:
        if cell.id == CELL_ID:
            return cell
    new = v4.new_code_cell(id=CELL_ID, metadata={"jupyter": {"source_hidden": True}})
    code = (
        place
        for place, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", [])
    )
    notebook.cells.insert(next(code), new)
    return new


if __name__ == "__main__":
    for path in write(ROOT):
        print(f"{path.relative_to(ROOT)}: written anew")
