"""What the parts of a run cost beside what they cannot do without, as one table.

Each row runs in a process of its own and measures the project's code and an anchor in turn: a bare
forward and backward pass, mmdet's own detector, loading alone, a naive implementation. What counts
is the median of the pairs' ratios; seconds are CPU seconds unless the row says clock, so that a
busy machine tells nearly the same. Images are drawn, no data is needed.

    python benchmarks/speed.py                          # all rows, some minutes on two cores
    python benchmarks/speed.py --only step --pairs 21
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from speed_rows import FEW, ROWS


def measure(row: str, pairs: int, results: Any) -> None:
    """Measure the pairs of a row, in a process of its own."""
    import torch

    import ads_det.models  # noqa: F401  (before mmdet: it supplies the ops)

    torch.set_num_threads(1)
    now = time.perf_counter if row in FEW else time.process_time
    for name, ours, anchor in ROWS[row]():
        ours()  # warm-up
        anchor()
        seconds = []
        for _ in range(min(pairs, FEW.get(row, pairs))):
            took = {}
            # who begins alternates, so that neither always meets what the other left behind
            for work in (ours, anchor) if len(seconds) % 2 else (anchor, ours):
                began = now()
                work()
                took[work] = now() - began
            seconds.append((took[ours], took[anchor]))
        own, other = (median(s) for s in zip(*seconds))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        ratio = median(a / b for a, b in seconds)
        results.put(dict(row=name, seconds=own, anchor=other, ratio=ratio, peak_mib=peak))
    results.put(None)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=ROWS, nargs="+", default=list(ROWS))
    parser.add_argument("--pairs", type=int, default=9, help="of ours and the anchor (default: 9)")
    parser.add_argument(
        "--out", type=Path, default=Path("speed.json"), help="(default: speed.json)"
    )
    args = parser.parse_args()
    table = Table("ours / anchor", "s", "anchor, s", "ratio", "peak MiB")
    found = []
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SPEED_FOLDER"] = folder
        for row in args.only:
            results = spawn.Queue()
            process = spawn.Process(target=measure, args=(row, args.pairs, results))
            process.start()
            while process.is_alive() or not results.empty():
                try:
                    result = results.get(timeout=1)
                except queue.Empty:
                    continue
                if result is None:
                    break
                found.append(result)
                numbers = [f"{result[k]:.4g}" for k in ("seconds", "anchor", "ratio", "peak_mib")]
                table.add_row(result["row"], *numbers)
            process.join()
            if process.exitcode:
                sys.exit(f"The row {row!r} failed, as said above.")
    Console(width=110).print(table)
    args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
