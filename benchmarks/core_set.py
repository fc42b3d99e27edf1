"""Seconds and memory of k-centre greedy on a large pool.

python benchmarks/core_set.py      # 1,000 picks of 100,000 images with 256 features
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from ads_det.core.k_center import k_center_greedy


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=256)
    parser.add_argument("--labeled", type=int, default=1_000)
    parser.add_argument("--budget", type=int, default=1_000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    points = rng.standard_normal((args.images, args.features), np.float32)
    labeled = rng.standard_normal((args.labeled, args.features), np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    chosen = k_center_greedy(points, args.budget, labeled)
    seconds = time.perf_counter() - start
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{len(set(chosen))} picks of {args.images} x {args.features}: {seconds:.1f} s")
    print(f"memory: features {points.nbytes / 2**20:.0f} MiB, on top of them {more:.0f} MiB")


if __name__ == "__main__":
    main()
