"""Pages of small notebooks; the whole course's are in tests/browser/test_site.py."""

import base64
import json
import re

import nbformat
import pytest
from nbformat import v4

from histmatch_lab.demos import find_demo
from histmatch_lab.publish.contents import notebook_contents, write_contents
from histmatch_lab.publish.page import write_page, write_shared_files
from histmatch_lab.publish.site import DEMO_PAGES, write_site
from tests.command import run

FIRST = """\
# Bumps

**Objectives.** Know $\\alpha$.

**Minutes.** 20"""


def run_cell(source, *outputs):
    return v4.new_code_cell(source, execution_count=1, outputs=list(outputs))


def text_output(**data):
    return v4.new_output("display_data", {"text/plain": "text", **data})


def contents_of(folder):
    script = (folder / "contents.js").read_text()
    return json.loads(script.removeprefix("const CONTENTS = ").rstrip().removesuffix(";"))


def stored(folder, name, *cells):
    path = folder / f"{name}.ipynb"
    nbformat.write(v4.new_notebook(cells=list(cells)), path)
    return path


@pytest.fixture(scope="module")
def small_site(tmp_path_factory):
    """One notebook, one demo and one text."""
    folder = tmp_path_factory.mktemp("site")
    links = v4.new_markdown_cell("[all](../docs/ledger.md) [other](../docs/sweeps.md)")
    path = stored(folder, "01_bumps", v4.new_markdown_cell(FIRST), links, run_cell("1"))
    ledger = folder / "ledger.md"
    ledger.write_text("# The ledger\n\n[there](../notebooks/01_bumps.ipynb#cell-id=show)\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histmatch_lab.publish.site.DEMO_PAGES", ("tests.publish.small_demo:bump",))
        run("site", path, ledger, "-o", folder / "out")
    return folder / "out"


def test_a_site_tells_what_each_notebook_is_for(small_site):
    index = (small_site / "index.html").read_text()
    assert 'href="01_bumps.html">01 Bumps</a>' in index
    assert 'href="bump.html">A bump</a>' in index
    assert "20 minutes" in index
    assert 'Know <span class="formula">' in index
    titles = [page["title"] for page in contents_of(small_site)]
    assert titles == ["01 Bumps", "A bump", "The ledger"]
    assert (small_site / "script.js").exists()


def test_a_markdown_file_gets_a_page_and_links_lead_from_page_to_page(small_site):
    page, other = ((small_site / f"{name}.html").read_text() for name in ("01_bumps", "ledger"))
    assert 'href="ledger.html"' in page
    assert 'href="../docs/sweeps.md"' in page
    assert 'href="01_bumps.html#cell-id=show"' in other
    assert 'href="ledger.html">The ledger</a>' in (small_site / "index.html").read_text()


@pytest.mark.parametrize("name", DEMO_PAGES)
def test_the_demos_with_a_page_are_known(name):
    assert find_demo(name).controls


def test_a_notebook_that_was_not_run_is_refused_before_anything_is_written(tmp_path):
    path = stored(tmp_path, "idle", v4.new_code_cell("1"))
    with pytest.raises(ValueError, match=r"idle.ipynb was not run; .*make notebooks"):
        write_site([path], tmp_path / "out")
    run("site", path, "-o", tmp_path / "out", code=2)
    assert not (tmp_path / "out").exists()


def test_contents_hold_what_is_read_by_heading(tmp_path):
    code, text = run_cell("x = 'in code'"), "## Two & three\n\nwords <b>there</b>"
    notebook = v4.new_notebook(cells=[code, v4.new_markdown_cell(text)])
    write_page(notebook, tmp_path / "plain.html")
    write_contents(tmp_path, [notebook_contents("plain", notebook)])
    [page] = contents_of(tmp_path)
    assert page["file"] == "plain.html"
    assert page["title"] == "plain"
    title, section = page["sections"]
    assert "x = 'in code'" in title["text"]
    assert section == {"id": "Two-&-three", "heading": "Two & three", "text": "words there"}
    html = (tmp_path / "plain.html").read_text()
    assert "<h1>plain</h1>" in html
    assert 'id="Two-&amp;-three"' in html


def test_formulas_reach_katex_as_they_were_written_and_the_search_as_words(tmp_path):
    text = "# T\n\nLet $\\alpha<B$ and\n\n$$\\frac{1}{K}$$\n\nfor <span>all</span> {K}"
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell(text)])
    write_page(notebook, tmp_path / "t.html")
    page = (tmp_path / "t.html").read_text()
    assert '<span class="formula">\\alpha&lt;B</span>' in page
    assert '<span class="formula display wide">\\frac{1}{K}</span>' in page
    [section] = notebook_contents("t", notebook)["sections"]
    assert section["text"] == "Let alpha<B and frac 1 K for all {K}"


def test_every_font_of_a_formula_lies_beside_the_page(tmp_path):
    write_shared_files(tmp_path)
    style = (tmp_path / "katex/katex.min.css").read_text()
    fonts = re.findall(r"url\((fonts/[\w-]+\.woff2)\)", style)
    assert len(fonts) == style.count("@font-face")
    assert all((tmp_path / "katex" / font).exists() for font in fonts)


def test_a_page_asks_for_no_picture_from_the_network(tmp_path):
    cell = v4.new_markdown_cell("[![a badge](https://example.org/badge.svg)](https://example.org)")
    write_page(v4.new_notebook(cells=[cell]), tmp_path / "badge.html")
    assert '<a href="https://example.org">a badge</a>' in (tmp_path / "badge.html").read_text()


def test_a_spent_progress_bar_leaves_nothing(tmp_path):
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    bar = v4.new_output("display_data", {"text/plain": "Output()", **view})
    write_page(v4.new_notebook(cells=[run_cell("train()", bar)]), tmp_path / "bar.html")
    page = (tmp_path / "bar.html").read_text()
    assert "Output()" not in page
    assert "live control" not in page


def test_pictures_say_what_they_show(tmp_path):
    png = base64.b64encode(b"png").decode()
    alt = v4.new_output("display_data", {"image/png": png}, metadata={"image/png": {"alt": "<A>"}})
    alt.data["text/plain"] = "not this"
    cells = [run_cell("1", alt, text_output(**{"image/svg+xml": "<svg/>"}))]
    write_page(v4.new_notebook(cells=cells), tmp_path / "pictures.html")
    alts = re.findall(r'<img[^>]* alt="([^"]*)"', (tmp_path / "pictures.html").read_text())
    assert alts == ["&lt;A&gt;", "text"]


def test_a_page_with_a_picture_of_ones_own_says_that_the_text_speaks_of_another(tmp_path):
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# T\n\nThe cup is red.")])
    write_page(notebook, tmp_path / "mine.html", passed={"PHOTO": "pictures/my <cat>.jpg"})
    write_page(notebook, tmp_path / "plain.html")
    page, plain = ((tmp_path / f"{name}.html").read_text() for name in ("mine", "plain"))
    assert "<code>PHOTO = my &lt;cat&gt;.jpg</code>" in page
    assert "the text still speaks of the defaults" in page
    assert "speaks of the defaults" not in plain


def test_set_up_is_folded_and_tables_have_heads(tmp_path):
    setup = run_cell("import torch")
    setup.id = "set-up"
    table = v4.new_markdown_cell("| | K |\n|---|---|\n| a | 1 |")
    write_page(v4.new_notebook(cells=[setup, table]), tmp_path / "table.html")
    page = (tmp_path / "table.html").read_text()
    assert re.search(r'<details class="set-up">.*import.*</details>', page, re.DOTALL)
    assert page.count('<th scope="col">') == 1


def test_a_demo_gets_a_page_of_its_own(small_site):
    page = (small_site / "bump.html").read_text()
    assert "<h1" in page
    assert '<span class="formula">\\alpha</span>' in page
    assert page.count('"kind": ') == 1
    assert "<strong>Loud</strong>" in page
    [_, entry, _] = contents_of(small_site)
    assert (entry["file"], entry["title"]) == ("bump.html", "A bump")
    assert [section["heading"] for section in entry["sections"]] == ["A bump", "What to look for"]
    assert "Its height is alpha" in entry["sections"][0]["text"]
