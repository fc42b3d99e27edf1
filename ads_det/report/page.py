"""One HTML page with everything in it, and the same pictures and tables as files."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from ads_det.files import write_atomic, write_csv, write_text

MOST_BYTES = 5_000_000  # of a page
_LEAST_SCALE = 0.1  # a page of so many pictures cannot be helped
_QUALITY = 80  # of JPEGs
_PNG = b"\x89PNG"
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;
color:#222;background:#fff;overflow-wrap:anywhere}
h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums;display:block;
overflow-x:auto}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
img{max-width:100%;height:auto}figure{margin:1rem 0}figcaption{color:#555;font-size:.9em}
nav a{margin-right:1rem}summary{cursor:pointer;font-weight:600;margin:.7rem 0}
.warning{background:#fff3cd;border-left:4px solid #e0a800;padding:.5rem .8rem}
.gallery{display:grid;gap:.8rem;grid-template-columns:repeat(auto-fill,minmax(10rem,1fr))}
.gallery.wide{grid-template-columns:repeat(auto-fill,minmax(17rem,1fr))}
.gallery.threes{grid-template-columns:repeat(3,1fr);max-width:40rem}
.gallery figure{margin:0}.gallery img{width:100%}
@media(max-width:600px){body{margin:1rem auto;padding:0 .7rem}h1{font-size:1.5rem}
h2{font-size:1.25rem;margin-top:1.8rem}.gallery{gap:.5rem}th,td{padding:.25rem .4rem}}
"""


@dataclass
class _Picture:
    """A picture of the page: a plot as PNG, or a photograph as JPEG."""

    content: bytes
    caption: str

    def html(self) -> str:
        kind = "png" if self.content[:4] == _PNG else "jpeg"
        data, caption = base64.b64encode(self.content).decode(), escape(self.caption)
        return (
            f'<figure><img alt="{caption}" src="data:image/{kind};base64,{data}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )

    def smaller(self, scale: float) -> _Picture:
        """As a JPEG of fewer pixels a side."""
        with Image.open(io.BytesIO(self.content)) as image:
            size = [max(round(length * scale), 1) for length in image.size]
            return _Picture(_jpeg(image.convert("RGB").resize(size)), self.caption)


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


class Page:
    """A self-contained page: no script, no network; all text is escaped.

    Args:
        folder: receives ``report.html`` and, below ``figures`` and ``tables``, its parts.
        title: title of the page.
    """

    def __init__(self, folder: Path, title: str) -> None:
        self.folder, self.title = folder, title
        self._parts: list[str | _Picture] = []
        self._headings: list[str] = []
        for name in ("figures", "tables"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._headings.append(text)
        self._parts.append(f'<h2 id="s{len(self._headings)}">{escape(text)}</h2>')

    def paragraph(self, text: str) -> None:
        self._parts.append(f"<p>{escape(text)}</p>")

    def warning(self, text: str) -> None:
        """A paragraph that nobody should miss."""
        self._parts.append(f'<p class="warning">{escape(text)}</p>')

    @contextmanager
    def folded(self, title: str, is_open: bool = False) -> Iterator[None]:
        """What is added meanwhile is shown when the title is clicked."""
        opened = " open" if is_open else ""
        self._parts.append(f"<details{opened}><summary>{escape(title)}</summary>")
        yield
        self._parts.append("</details>")

    def table(self, name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table; ``**text**`` in a cell is bold. Also written as CSV."""
        write_csv(self.folder / "tables" / f"{name}.csv", header, rows)
        head = "".join(f"<th>{escape(h)}</th>" for h in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in rows
        )
        self._parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def figure(self, name: str, figure: Figure, caption: str) -> None:
        """A plot with a caption. Also written as PNG and SVG."""
        for kind in ("png", "svg"):
            path = self.folder / "figures" / f"{name}.{kind}"
            write_atomic(path, lambda file, kind=kind: figure.savefig(file, format=kind, dpi=120))
        png = (self.folder / "figures" / f"{name}.png").read_bytes()
        self._parts.append(_Picture(png, caption))

    def photo(self, name: str, image: Image.Image, caption: str) -> None:
        """A photograph with a caption. Also written as JPEG."""
        content = _jpeg(image)
        path = self.folder / "figures" / f"{name}.jpg"
        write_atomic(path, lambda file: file.write(content))
        self._parts.append(_Picture(content, caption))

    def gallery(
        self, name: str, pictures: Sequence[tuple[Image.Image, str]], kind: str = ""
    ) -> None:
        """Photographs with captions, side by side.

        Args:
            name: Name of the files, which a number follows.
            pictures: photographs and captions.
            kind: empty for as many in a row as there is room for, ``'wide'`` for fewer and larger
                ones, ``'threes'`` for three, whatever the room.
        """
        self._parts.append(f'<div class="gallery{f" {kind}" if kind else ""}">')
        for number, (image, caption) in enumerate(pictures, start=1):
            self.photo(f"{name}_{number:02d}", image, caption)
        self._parts.append("</div>")

    def write(self) -> Path:
        """Write the page, its pictures as small as it takes to stay below ``MOST_BYTES``; returns
        its path."""
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
            f"<body><h1>{escape(self.title)}</h1><nav>{links}</nav>{self._body()}</body></html>\n",
        )
        return path

    def _body(self) -> str:
        scale, room = 1.0, MOST_BYTES - 20_000  # for the head and the links
        while True:
            body = "".join(
                part if isinstance(part, str) else self._shrunk(part, scale).html()
                for part in self._parts
            )
            if len(body.encode()) <= room or scale < _LEAST_SCALE:
                return body
            scale *= 0.8

    @staticmethod
    def _shrunk(picture: _Picture, scale: float) -> _Picture:
        is_plot = picture.content[:4] == _PNG
        scale = scale * 2 if is_plot else scale  # plots are small already, and have letters
        return picture if scale >= 1 else picture.smaller(scale)


def _cell(value: object) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(str(value)))
