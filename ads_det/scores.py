"""Scores of the candidates on disk: a table for people, and an array where they are many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ads_det.files import is_number, read_csv, write_atomic, write_csv, wrong_shape

IN_TABLE = 10_000  # candidates that the table shows


def write_scores(
    table: Path, array: Path, ids: Sequence[str], scores: np.ndarray, order: Sequence[int]
) -> None:
    """Write the scores of all candidates, and the best of them as a table.

    Args:
        table: CSV file.
        array: NumPy file of all, written only if they are more than the table shows.
        ids: Ids of all candidates that could be read.
        scores: Finite score of each, shape (N,).
        order: positions from the largest score to the smallest.
    """
    if len(ids) > IN_TABLE:
        content = dict(ids=np.array("\n".join(ids).encode()), scores=scores)
        write_atomic(array, lambda file: np.savez(file, **content))
    else:
        array.unlink(missing_ok=True)
    rows = [(ids[i], repr(float(scores[i]))) for i in order[:IN_TABLE]]
    write_csv(table, ("id", "score"), rows)


def read_table_of_scores(path: Path) -> dict[str, float]:
    """Score of each candidate, best first, from a table.

    Raises:
        ADSError: if it is not as :func:`write_scores` wrote it.
    """
    scores: dict[str, float] = {}
    for number, row in enumerate(read_csv(path), 2):
        try:
            name, score = row["id"], float(row["score"])
        except (KeyError, TypeError, ValueError):
            name, score = "", 0.0
        if not name or name in scores or not is_number(score):
            raise wrong_shape(path, f"line {number} is no new id and its score")
        scores[name] = score
    return scores


def read_array_of_scores(path: Path) -> dict[str, float]:
    """Score of each candidate, in the order of the candidates, from an array.

    Raises:
        ADSError: if it is not as :func:`write_scores` wrote it.
    """
    try:
        with np.load(path) as content:
            ids, scores = content["ids"].item().decode().split("\n"), content["scores"]
        if scores.dtype == np.float64 and scores.shape == (len(ids),) and np.isfinite(scores).all():
            found = dict(zip(ids, scores.tolist(), strict=True))
            if len(found) == len(ids):
                return found
    except (OSError, ValueError, KeyError, AttributeError, BadZipFile, EOFError) as error:
        raise wrong_shape(path, "its `ids` and `scores` cannot be read") from error
    raise wrong_shape(path, "it holds no finite score for each of its ids")
