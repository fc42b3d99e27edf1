"""XML that other people wrote, read safely, and XML that every reader takes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from ads_det.errors import ADSError
from ads_det.files import read_bytes, write_text
from ads_det.labels.checks import cannot_read

_NOT_IN_XML = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")  # or changed by readers


class _Definitions(Exception):
    """A document type declaration was met."""


class _Root(Exception):
    """The root element was met."""


class _Builder(ET.TreeBuilder):
    """Builds the tree; stops before a declaration could define anything."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise _Definitions


class _RootFinder(_Builder):
    """Stops at the root element."""

    def start(self, tag: str, attrs: dict[str, str]) -> ET.Element:
        raise _Root(tag)


def read_xml(path: Path) -> ET.Element:
    """The root of a file.

    Raises:
        ADSError: if it cannot be read, is no XML, has text between elements, or declares a
            document type, which could define entities: a few lines of them expand to gigabytes.
    """
    return _parse(path, None)


def root_tag(path: Path) -> str:
    """The name of a file's root element; no more than the file's beginning is parsed.

    Raises:
        ADSError: as in :func:`read_xml`.
    """
    try:
        return _parse(path, _RootFinder()).tag
    except _Root as root:
        return root.args[0]


def _parse(path: Path, builder: ET.TreeBuilder | None) -> ET.Element:
    try:
        content = read_bytes(path)
        if builder is None and (b"<!" in content or b"\0" in content):  # \0: of UTF-16
            builder = _Builder()  # else nothing can be declared, and ET's own is much faster
        root = ET.fromstring(content, ET.XMLParser(target=builder))
    except OSError as error:
        raise ADSError(cannot_read(path, error)) from error
    except _Definitions as error:
        raise ADSError(
            f"{path} declares a document type (<!DOCTYPE ...>), with which XML defines entities "
            "and which no format of annotations uses; remove the declaration."
        ) from error
    except (ET.ParseError, ValueError, LookupError, RecursionError) as error:  # odd encodings too
        raise ADSError(f"{path} is no valid XML ({error}); export it again.") from error
    for element in root.iter():
        stray = (element.tail or "").strip() or ((element.text or "").strip() and len(element))
        if stray:
            raise ADSError(
                f"{path} has text between elements, at <{element.tag}>, perhaps a damaged element; "
                "correct it."
            )
    return root


def text_of(element: ET.Element, path: str) -> str:
    """The text of the element at a path below another, stripped; empty if there is none."""
    return (element.findtext(path) or "").strip()


def add(parent: ET.Element, tag: str, text: object = None) -> ET.Element:
    """Append an element with a text to another; returns it."""
    child = ET.SubElement(parent, tag)
    child.text = None if text is None else str(text)
    return child


def xml_text(root: ET.Element) -> str:
    """An element and all below it, indented.

    Raises:
        ADSError: if a text in it has a character that XML cannot hold.
    """
    for element in root.iter():
        for text in (element.text, *element.attrib.values()):
            if text and _NOT_IN_XML.search(text):
                raise ADSError(
                    f"The name {text!r} has a character that XML cannot hold; rename it, or choose "
                    "a format that is no XML."
                )
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def write_xml(path: Path, root: ET.Element) -> None:
    """Write an element and all below it, atomically.

    Raises:
        ADSError: as in :func:`xml_text`, or if the disk refuses it.
    """
    write_text(path, '<?xml version="1.0" encoding="utf-8"?>\n' + xml_text(root))
