"""One HTML page with everything in it, and the same pictures and tables as files."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from ads_det.files import write_atomic, write_csv, write_text

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;
color:#222;background:#fff}
h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums;display:block;
overflow-x:auto}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
img{max-width:100%;height:auto}figure{margin:1rem 0}figcaption{color:#555;font-size:.9em}
nav a{margin-right:1rem}
"""


class Page:
    """A self-contained page: no script, no network; all text is escaped.

    Args:
        folder: receives ``report.html`` and, below ``figures`` and ``tables``, its parts.
        title: title of the page.
    """

    def __init__(self, folder: Path, title: str) -> None:
        self.folder, self.title = folder, title
        self._parts: list[str] = []
        self._headings: list[str] = []
        for name in ("figures", "tables"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._headings.append(text)
        self._parts.append(f'<h2 id="s{len(self._headings)}">{escape(text)}</h2>')

    def paragraph(self, text: str) -> None:
        self._parts.append(f"<p>{escape(text)}</p>")

    def table(self, name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table; ``**text**`` in a cell is bold. Also written as CSV."""
        write_csv(self.folder / "tables" / f"{name}.csv", header, rows)
        head = "".join(f"<th>{escape(h)}</th>" for h in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in rows
        )
        self._parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def figure(self, name: str, figure: Figure, caption: str, photo: bool = False) -> None:
        """A picture with a caption. Also written as PNG and SVG; one of photographs is a JPEG in
        the page, for its size."""
        for kind in ("png", "svg"):
            path = self.folder / "figures" / f"{name}.{kind}"
            write_atomic(path, lambda file, kind=kind: figure.savefig(file, format=kind, dpi=120))
        buffer = io.BytesIO()
        kind = "jpeg" if photo else "png"
        figure.savefig(buffer, format=kind, dpi=120)
        self._picture(buffer.getvalue(), kind, caption)

    def photo(self, name: str, image: Image.Image, caption: str, folded: bool = False) -> None:
        """A ready picture. Also written as JPEG. ``folded``: shown when its caption is clicked."""
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=80)
        path = self.folder / "figures" / f"{name}.jpg"
        write_atomic(path, lambda file: file.write(buffer.getvalue()))
        if folded:
            self._parts.append(f"<details><summary>{escape(caption)}</summary>")
        self._picture(buffer.getvalue(), "jpeg", caption)
        if folded:
            self._parts.append("</details>")

    def _picture(self, content: bytes, kind: str, caption: str) -> None:
        data = base64.b64encode(content).decode()
        self._parts.append(
            f'<figure><img alt="{escape(caption)}" src="data:image/{kind};base64,{data}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )

    def write(self) -> Path:
        """Write the page; returns its path."""
        links = "".join(
            f'<a href="#s{i}">{escape(text)}</a> ' for i, text in enumerate(self._headings, 1)
        )
        path = self.folder / "report.html"
        write_text(
            path,
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            '<link rel="icon" href="data:,">'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style></head>"
            f"<body><h1>{escape(self.title)}</h1><nav>{links}</nav>"
            + "".join(self._parts)
            + "</body></html>\n",
        )
        return path


def _cell(value: object) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(str(value)))
