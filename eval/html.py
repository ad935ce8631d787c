"""One self-contained HTML page from sections: text, tables and pictures, with nothing to fetch."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 100rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c1c22; background: #fff; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .5rem; text-align: right; vertical-align: top;
  border-bottom: 1px solid #e4e4e8; }
th:first-child, td:first-child { text-align: left; } td.text, th.text { text-align: left; }
td small { display: block; color: #777; white-space: nowrap; font-size: .75rem; }
.scroll { overflow-x: auto; } img { max-width: 100%; }
.good { color: #17692f; } .bad { color: #a31621; } .quiet { color: #666; }
"""


_INTERVAL = re.compile(r" (\[[^\]]*\])$")
_below = r"<small>\1</small>"


def page(title: str, body: Iterable[str]) -> str:
    """A whole page; ``body`` are pieces of HTML as the functions below make them."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f'</title>\n<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"</head>\n<body>\n<h1>{escape(title)}</h1>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def heading(text: str, level: int = 2) -> str:
    """A heading of level 2 to 6."""
    return f"<h{level}>{escape(text)}</h{level}>"


def paragraph(text: str, style: str = "") -> str:
    """A paragraph; ``style`` is one of the page's classes (good, bad, quiet)."""
    return f'<p class="{escape(style)}">{escape(text)}</p>' if style else f"<p>{escape(text)}</p>"


def html_table(
    titles: Sequence[str], rows: Iterable[Sequence[str]], text_columns: Iterable[int] = ()
) -> str:
    """A table of text cells; those of ``text_columns`` are set flush left, and an interval in
    brackets after a number stands small below it."""
    left = set(text_columns)

    def line(cells: Sequence[str], tag: str) -> str:
        marks = ('class="text"' if at in left else "" for at in range(len(cells)))
        return "".join(
            f"<{tag} {mark}>{escape(cell)}</{tag}>"
            if mark
            else f"<{tag}>{_INTERVAL.sub(_below, escape(cell))}</{tag}>"
            for cell, mark in zip(cells, marks, strict=True)
        )

    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    head = f"<tr>{line(titles, 'th')}</tr>"
    return (
        f'<div class="scroll"><table>\n<thead>{head}</thead>\n<tbody>{body}</tbody></table></div>'
    )


def picture(svg: str, description: str) -> str:
    """An SVG picture, carried in the page; ``description`` is what it shows, in words."""
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    return f'<img alt="{escape(description)}" src="data:image/svg+xml;base64,{data}">'


def folded(summary: str, body: Iterable[str]) -> str:
    """Pieces that show on a click."""
    inside = "\n".join(body)
    return f"<details><summary>{escape(summary)}</summary>\n{inside}\n</details>"
