"""Whether two runs are the same, file by file: shared by tests and benchmarks/kills.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

# what says when, not what
IGNORED = ("seconds.json", ".lock")


def differences(expected: Path, found: Path) -> list[str]:
    """Names of the files that differ, or that only one of two work directories has."""
    files = [
        {str(p.relative_to(d)) for p in d.rglob("*") if p.is_file() and _counts(p.relative_to(d))}
        for d in (expected, found)
    ]
    unequal = [n for n in files[0] & files[1] if not _equal(expected / n, found / n)]
    return sorted([*(files[0] ^ files[1]), *unequal])


def _counts(path: Path) -> bool:
    is_log = "train" in path.parts[:-1] and path.suffix != ".pth"
    is_log |= path.suffix == ".log"  # of the runs of a comparison
    return path.name not in IGNORED and not (is_log and not path.name.endswith(".tmp"))


def _equal(a: Path, b: Path) -> bool:
    if a.suffix == ".pth":
        states = [torch.load(p, weights_only=True) for p in (a, b)]
        # what stands beside the weights of a model names its folder and when it was trained
        return _same(*(state.get("state_dict", state) for state in states))
    if a.name == "history.json":
        contents = [json.loads(p.read_text()) for p in (a, b)]
        for content in contents:
            for row in content["cycles"]:
                del row["seconds"]
        return contents[0] == contents[1]
    if a.name == "history.csv":
        tables = [[line.split(",") for line in p.read_text().splitlines()] for p in (a, b)]
        kept = [i for i, name in enumerate(tables[0][0]) if not name.startswith("seconds")]
        cells = [[[row[i] for i in kept] for row in table] for table in tables]
        return cells[0] == cells[1]
    return a.read_bytes() == b.read_bytes()


def _same(a: Any, b: Any) -> bool:
    """Whether two nested structures of tensors and plain values are equal bit by bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    return bool(a == b)
