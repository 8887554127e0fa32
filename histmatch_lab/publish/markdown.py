"""Markdown cells as HTML: formulas for KaTeX, links from page to page, headings to link to."""

from __future__ import annotations

import html
import re
import warnings
from typing import Any

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


def render_markdown(source: str, attachments: dict[str, Any] | None = None) -> str:
    """A cell's markdown as HTML that asks for nothing from anywhere.

    attachments: pictures that the cell carries, as nbformat has them.
    """
    with warnings.catch_warnings():
        # bs4 takes a short line of text for a file's name
        warnings.filterwarnings("ignore", module="bs4")
        renderer = _Renderer(escape=False, attachments=attachments)
        return MarkdownWithMath(renderer=renderer).render(source)


class _Renderer(IPythonRenderer):
    def heading(self, text: str, level: int, **_: Any) -> str:
        # JupyterLab's way to name a heading, so that a link leads there in both.
        name = html.unescape(re.sub(r"<[^>]+>", "", text)).strip().replace(" ", "-")
        return f'<h{level} id="{html.escape(name)}">{text}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        local = re.fullmatch(r"([\w.-]+)\.ipynb(#.*)?", url)
        page = f"{local[1]}.html{local[2] or ''}" if local else url
        return super().link(text, page, title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """A picture from the network would be a request: its description stands for it."""
        return text if re.match("https?:", url) else super().image(text, url, title)

    def table(self, text: str) -> str:
        return f'<div class="wide"><table>\n{text}</table></div>\n'

    def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
        style = f' style="text-align:{align}"' if align else ""
        if head and text:
            return f'<th scope="col"{style}>{text}</th>\n'
        return f"<td{style}>{text}</td>\n"

    def block_math(self, body: str) -> str:
        return f'<span class="formula display wide">{html.escape(body)}</span>'

    def inline_math(self, body: str) -> str:
        return f'<span class="formula">{html.escape(body)}</span>'

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")
