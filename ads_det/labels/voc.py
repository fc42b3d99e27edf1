"""VOC: a folder with one XML file an image.

VOC counts pixels from 1. As mmdet does, all four numbers of a box are read less one, and written
plus one, rounded.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from ads_det.errors import ADSError
from ads_det.files import cannot_write
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.checks import (
    check_writable,
    files_below,
    is_rotated,
    once_each,
    read_box,
    read_size,
    say,
)
from ads_det.labels.names import ImageNames, stem
from ads_det.labels.xml import add, read_xml, text_of, write_xml

_EDGES = ("xmin", "ymin", "xmax", "ymax")
_USUAL = {"folder", "filename", "path", "segmented"}  # looked at no further, to save time
_OF_OBJECTS = {"object", "objects", "obj", "bndbox", "bbox", "box", "polygon", *_EDGES}


def write_voc(images: Sequence[ImageLabels], classes: Sequence[str], folder: Path) -> None:
    """Write ``<id without suffix>.xml`` for each image, with the same subfolders as the ids.

    Of images that would share a name, such as ``a.jpg`` and ``a.png``, the names keep the suffix
    (``a.jpg.xml``). An image without boxes that nobody has checked gets no file, because a file
    without objects says that there are none.

    Raises:
        ADSError: if an image or class occurs twice, a box is of another class, an id leads out of
            the folder, or the disk refuses a file.
    """
    check_writable(images, classes)
    for labels in images:
        parts = PurePosixPath(labels.image)
        if parts.is_absolute() or ".." in parts.parts:
            raise ADSError(
                f"The image {labels.image!r} leads out of the folder {folder}; name images by "
                "paths below one folder."
            )
    names = _file_names([labels.image for labels in images])
    files = {folder / n: i for n, i in zip(names, images) if i.boxes or i.checked}
    for parent in {folder, *(file.parent for file in files)}:
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ADSError(cannot_write(parent, error)) from error
    for file, labels in files.items():
        write_xml(file, _element(labels))


def _file_names(images: Sequence[str]) -> list[str]:
    """A name for each id; ids lose their suffix where the names stay different."""
    names = [f"{stem(image)}.xml" for image in images]
    while True:
        count = Counter(names)
        shorter = [n for n, i in zip(names, images) if count[n] > 1 and n != f"{i}.xml"]
        if not shorter:
            return names
        taken = set(shorter)
        names = [f"{i}.xml" if n in taken else n for n, i in zip(names, images)]


def _element(labels: ImageLabels) -> ET.Element:
    root = ET.Element("annotation")
    add(root, "folder")  # of the data set, not of the image
    add(root, "filename", labels.image)  # CVAT and datumaro look for it in the image folder
    add(root, "path", labels.image)
    size = add(root, "size")
    add(size, "width", labels.width)
    add(size, "height", labels.height)
    add(size, "depth", 3)
    for box in labels.boxes:
        element = add(root, "object")
        add(element, "name", box.name)
        add(element, "pose", "Unspecified")
        add(element, "truncated", 0)
        add(element, "difficult", 0)
        edges = add(element, "bndbox")
        for edge, value in zip(_EDGES, box.corners):
            add(edges, edge, round(value) + 1)
    return root


def read_voc(path: Path, images: Iterable[str] = ()) -> list[ImageLabels]:
    """All images of a folder of XML files, in the order of the files, or the one of a file.

    An image has the id on which agree ``path``, ``filename``, ``folder`` and the place of the XML
    below ``path``, as far as they name any. Without ids it is named by ``path`` if that is
    relative, else by ``filename`` in the XML's folder, else by the XML. All of them count as
    checked.

    Args:
        path: folder or file.
        images: ids of all images, if known.

    Raises:
        ADSError: if something is not as VOC's format wants it, or a file names two images.
    """
    if path.is_dir():
        files, folder = files_below(path, ".xml"), path
    else:
        files, folder = [path], path.parent
    ids = set(images)
    names = ImageNames(ids) if ids else None
    renamed: list[tuple[Path, str]] = []
    found = [_read_file(file, folder, names, renamed) for file in files]
    if renamed:
        file, name = renamed[0]
        say(
            f"{len(renamed)} XML file(s) are called as an image but name another, which is not "
            f"there, such as {name!r} in {file}; if they were renamed, delete `filename` and "
            "`path` in them, and their own name counts."
        )
    return once_each(found, path)


def read_annotation(file: Path) -> ET.Element:
    """The root of a VOC annotation, whose objects all stand where the format wants them.

    Raises:
        ADSError: if it is something else: what nobody finds would count as "no object".
    """
    root = read_xml(file)
    if root.tag != "annotation":
        raise ADSError(
            f"{file} has the root <{root.tag}> where VOC's format wants <annotation>; take the "
            "file away if it is none of the annotations, or correct it."
        )
    for child in root:
        if child.tag in _USUAL and not len(child):
            continue
        if child.tag != "object" and any(_local_name(e) in _OF_OBJECTS for e in child.iter()):
            raise ADSError(
                f"{file} describes objects in <{child.tag}>, where VOC's format wants <object>; "
                "correct it."
            )
    return root


def _local_name(element: ET.Element) -> str:
    """The tag in small letters, without a namespace."""
    return element.tag.rpartition("}")[2].lower()


def _read_file(
    file: Path, folder: Path, names: ImageNames | None, renamed: list[tuple[Path, str]]
) -> ImageLabels:
    root = read_annotation(file)
    place = file.relative_to(folder)
    image = _image_name(root, place) if names is None else _image_id(root, place, file, names)
    if names and not names.find(image) and names.find(place.with_suffix("").as_posix()):
        renamed.append((file, image))
    return ImageLabels(
        image,
        read_size(text_of(root, "size/width"), str(file)),
        read_size(text_of(root, "size/height"), str(file)),
        tuple(_read_object(element, file) for element in root.findall("object")),
        checked=True,
    )


def _image_name(root: ET.Element, place: Path) -> str:
    """The name of the image; ``place`` is the XML's path relative to the read folder."""
    path, name = text_of(root, "path"), _slashes(text_of(root, "filename"))
    if path and not _is_absolute(path):
        return path
    if "/" in name and not _is_absolute(name):
        return name  # some tools write the whole path here
    return (place.parent / (name.rpartition("/")[2] or place.stem)).as_posix()


def _image_id(root: ET.Element, place: Path, file: Path, names: ImageNames) -> str:
    """The id on which all agree that the XML says of its image; a name, if it means none."""
    path, name, folder = (_slashes(text_of(root, t)) for t in ("path", "filename", "folder"))
    stem_of_file = place.with_suffix("").as_posix()
    beside = (place.parent / (name.rpartition("/")[2] or place.stem)).as_posix()
    in_folder = f"{folder}/{name.rpartition('/')[2] or place.stem}" if folder else ""
    meant = [beside, *(clue for clue in (name, path) if "/" in clue)]
    meant += [in_folder] if folder and place.parent == Path() else []
    clues = [names.closest(clue) for clue in (beside, name, path, in_folder) if clue]
    possible = names.closest_to_file(stem_of_file)
    for clue in clues:
        if possible and clue and not possible & clue:
            raise _two_images(file, possible, clue)
        possible = (possible & clue) or possible or clue
    found = set().union(*(names.find(clue) for clue in meant))
    if found and not found & possible:
        raise _two_images(file, found, possible)
    return (found & possible).pop() if len(found & possible) == 1 else beside


def _two_images(file: Path, first: set[str], second: set[str]) -> ADSError:
    return ADSError(
        f"{file} may be meant for the image {min(first)!r} or {min(second)!r}: its own name and "
        "place, `filename`, `folder` and `path` do not agree; correct them."
    )


def _slashes(path: str) -> str:
    return path.replace("\\", "/")


def _is_absolute(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or bool(PureWindowsPath(path).root)


def _read_object(element: ET.Element, file: Path) -> Box:
    box = read_box(str(file), *name_and_edges(element, file))
    return Box(box.name, box.x1 - 1, box.y1 - 1, box.x2 - 1, box.y2 - 1)


def name_and_edges(element: ET.Element, file: Path) -> tuple[str, list[str]]:
    """What an object says of its class and of the four edges, counted from 1.

    Raises:
        ADSError: if it lacks an edge, has two boxes, or one that is turned.
    """
    name, boxes = text_of(element, "name"), element.findall("bndbox")
    texts = {child.tag: child.text or "" for box in boxes for child in box}
    if len(boxes) > 1 or len(texts) < sum(map(len, boxes)) or len(element.findall("name")) > 1:
        raise ADSError(
            f"{file} has an object {name!r} with two `name`, two `bndbox` or an edge twice; "
            "keep one."
        )
    edges = [texts.get(edge, "").strip() for edge in _EDGES]
    if not all(edges):
        raise ADSError(
            f"{file} has an object {name!r} whose `bndbox` lacks `{_EDGES[edges.index('')]}`; "
            "draw it as a box or complete it."
        )
    attributes = element.find("attributes")
    for attribute in () if attributes is None else attributes:
        if text_of(attribute, "name") == "rotation" and is_rotated(text_of(attribute, "value")):
            raise ADSError(
                f"{file} has a rotated box of class {name!r}, which detectors here do not know; "
                "draw it upright."
            )
    return name, edges
