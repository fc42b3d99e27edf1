"""Bad inputs by the thousand: each must end in one sentence or be read as what it says.

Seeded slips in configs, damaged annotation files of every format, state files and checkpoints, and
pipes, devices and sockets in their places; in this process, each with a limit of its time. The
cases are those of tests/fuzz_cases.py, of which the test suite runs the first 300.

    python benchmarks/fuzz.py --cases 2000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import ads_det.registry  # noqa: F401  isort: skip  (before mmdet: it supplies the ops)
from fuzz_cases import Cases


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (default: 0)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    refused: Counter[str] = Counter()
    read: Counter[str] = Counter()
    failed, longest = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        cases = Cases(Path(folder, "cases"), args.seed)
        for number in range(args.first, args.first + args.cases):
            start = time.monotonic()
            try:
                kind, was_refused = cases.run(number)
            except Exception:
                failed.append(number)
                print(f"case {number}:\n{traceback.format_exc(limit=-6)}", flush=True)
                continue
            (refused if was_refused else read)[kind] += 1
            longest = max(longest, time.monotonic() - start)
    for kind in sorted({*refused, *read}):
        print(f"{kind:24s} {refused[kind]:5d} refused {read[kind]:5d} read")
    print(f"{args.cases} cases, {len(failed)} failed {failed}; the longest took {longest:.1f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
