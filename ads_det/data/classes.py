"""The same numbers must mean the same classes wherever labels and predictions meet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from ads_det.errors import ADSError


def check_same_classes(
    first: Sequence[str], first_where: str, second: Sequence[str], second_where: str
) -> None:
    """Two lists must have the same names in the same order.

    Args:
        first, second: the names; an empty list is of unknown classes, and accepted.
        first_where, second_where: how the message names them.

    Raises:
        ADSError: names the first difference.
    """
    if not first or not second or list(first) == list(second):
        return
    pairs = enumerate(zip_longest(first, second), start=1)
    number, (one, other) = next((n, pair) for n, pair in pairs if pair[0] != pair[1])
    raise ADSError(
        f"{first_where} and {second_where} differ in their classes: number {number} is "
        f"{_name(one)} in the former and {_name(other)} in the latter; give both the same names "
        "in the same order (`metainfo.classes`)."
    )


def _name(name: str | None) -> str:
    return "missing" if name is None else repr(name)
