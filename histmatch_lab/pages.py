"""Executed notebooks as pages that work without a kernel and without a network.

Demos get sliders that work on the page, formulas become MathML (which browsers draw themselves),
and plotly is shipped beside the pages.
"""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.io
from jinja2 import DictLoader, Environment, pass_context
from latex2mathml.converter import convert
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from plotly.offline import get_plotlyjs

from histmatch_lab._files import write_whole
from histmatch_lab.demos import find_demo
from histmatch_lab.demos.page import to_html
from histmatch_lab.notebooks import WIDGET_VIEW

_PLOTLY = "application/vnd.plotly.v1+json"
_PLOTLY_FILE = "plotly.min.js"


def write_page(notebook: NotebookNode, file: Path) -> None:
    """Write an executed notebook as a page, and beside it the scripts that it needs.

    Args:
        notebook: as `histmatch_lab.notebooks.execute` returns it.
        file: the page; an older one stays until this one is whole.
    """
    shown = copy.deepcopy(notebook)
    shown.metadata.title = file.stem
    outputs = [output for cell in shown.cells for output in cell.get("outputs", [])]
    if any(_PLOTLY in output.get("data", {}) for output in outputs):
        write_whole(file.with_name(_PLOTLY_FILE), get_plotlyjs().encode())
    for output in outputs:
        _make_still_or_standalone(output)
    page, _ = _PageExporter().from_notebook_node(shown)
    write_whole(file, page.encode())


def write_index(runs: Sequence[Any], file: Path) -> None:
    """Write the table of runs (`histmatch_lab.batch.Run`) with links to the pages beside it."""
    template = Environment(autoescape=True, trim_blocks=True).from_string(_INDEX)
    pages = {run.name for run in runs if file.with_name(f"{run.name}.html").exists()}
    write_whole(file, template.render(runs=runs, pages=pages).encode())


def _make_still_or_standalone(output: NotebookNode) -> None:
    """Replace, in place, what would need a kernel or a network by what the page can show itself."""
    data = output.get("data", {})
    view = data.pop(WIDGET_VIEW, None)
    demo = output.get("metadata", {}).get("histmatch_lab", {})
    if demo and not demo["demo"].startswith("__main__:"):  # those are unknown here: a still
        data["text/html"] = to_html(find_demo(demo["demo"]), demo["settings"])
    elif _PLOTLY in data:
        data["text/html"] = plotly.io.to_html(
            plotly.io.from_json(json.dumps(data[_PLOTLY]), skip_invalid=True),
            include_plotlyjs=_PLOTLY_FILE,
            full_html=False,
        )
    elif view and data.keys() <= {"text/plain"}:
        data["text/html"] = "<p><em>A live control: run the notebook to use it.</em></p>"


class _Renderer(IPythonRenderer):
    """Markdown whose formulas need no script, and whose links lead from page to page."""

    def link(self, text: str, url: str, title: str | None = None) -> str:
        local = re.fullmatch(r"([\w.-]+)\.ipynb(#.*)?", url)
        page = f"{local[1]}.html{local[2] or ''}" if local else url
        return super().link(text, page, title)

    def block_math(self, body: str) -> str:
        return _mathml(body, display="block")

    def inline_math(self, body: str) -> str:
        return _mathml(body, display="inline")

    def latex_environment(self, name: str, body: str) -> str:
        return _mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", display="block")


def _mathml(latex: str, display: str) -> str:
    # latex2mathml knows the starred environment, with the same meaning inside a formula.
    return convert(latex.strip().replace("{aligned}", "{align*}"), display=display)


class _PageExporter(HTMLExporter):
    def __init__(self) -> None:
        loader = DictLoader({"page.html.j2": _PAGE})
        super().__init__(template_file="page.html.j2", extra_loaders=[loader])

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        attachments = context.get("cell", {}).get("attachments", {})
        with warnings.catch_warnings():
            # bs4 takes a short line of text for a file's name
            warnings.filterwarnings("ignore", module="bs4")
            renderer = _Renderer(escape=False, attachments=attachments)
            return MarkdownWithMath(renderer=renderer).render(source)


_PAGE = """
{%- extends "lab/index.html.j2" -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block extra_css -%}
<style>
body.jp-Notebook { max-width: 1000px; margin: 0 auto; }
.report-home { display: block; margin: 1em 0; }
math[display="block"] { margin: 1em 0; font-size: 110%; }
math mtd { padding: 0.3ex 0.2em; }
math mtd[columnalign="left"] { text-align: left; }
math mtd[columnalign="right"] { text-align: right; }
</style>
{%- endblock -%}
{%- block body_header -%}
{{ super() }}
<a class="report-home" href="index.html">All notebooks</a>
{%- endblock -%}
"""

_INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>histmatch-lab: report</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 85rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem; }
th, td { border-bottom: 1px solid #ddd; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.versions { min-width: 18rem; }
td.status { white-space: nowrap; font-weight: 600; }
.passed { color: #00603f; } .failed { color: #a32a00; } .interrupted, .not-run { color: #6b5500; }
small { color: #555; } pre { overflow-x: auto; background: #f6f6f6; padding: .8rem; }
</style>
</head>
<body>
<h1>histmatch-lab: report</h1>
<p>{{ runs | selectattr("status", "equalto", "passed") | list | length }} of {{ runs | length }}
notebooks passed. Seconds and memory are of this machine, with capped threads and other notebooks
running beside; memory is the largest of ten looks a second at the kernel and its children.</p>
<table>
<thead><tr><th scope="col">notebook</th><th scope="col">status</th>
<th scope="col" class="number">seconds</th><th scope="col" class="number">peak memory</th>
<th scope="col">device</th><th scope="col">seed</th><th scope="col">parameters</th>
<th scope="col">versions</th></tr></thead>
<tbody>
{% for run in runs %}
<tr><th scope="row">
{% if run.name in pages %}<a href="{{ run.name }}.html">{{ run.name }}</a>
{% if run.status != "passed" %}<br><small>page of an earlier run</small>{% endif %}
{% else %}{{ run.name }}{% endif %}</th>
<td class="status {{ run.status | replace(' ', '-') }}">{{ run.status }}<br>
<small>{{ run.finished }}</small></td>
<td class="number">
{%- if run.seconds is not none %}{{ "%.1f" | format(run.seconds) }}{% endif %}</td>
<td class="number">
{%- if run.peak_bytes %}{{ "%.0f" | format(run.peak_bytes / 1e6) }} MB{% endif %}</td>
<td>{{ run.device }}</td>
<td>{% if run.seed is not none %}{{ run.seed }}{% endif %}</td>
<td>{% for name, value in run.parameters.items() %}{{ name }} = {{ value }}<br>{% endfor %}</td>
<td class="versions"><small>
{%- for name, version in run.versions.items() -%}
{{ ", " if not loop.first }}{{ name }}&nbsp;{{ version }}
{%- endfor %}</small></td></tr>
{% if run.error %}
<tr><td colspan="8"><details open><summary>
{%- if run.cell %}In cell [{{ run.number }}]{% else %}What went wrong{% endif %}</summary>
{% if run.cell %}<pre>{{ run.cell }}</pre>{% endif %}<pre>{{ run.error }}</pre></details></td></tr>
{% endif %}
{% endfor %}
</tbody>
</table>
</body>
</html>
"""
