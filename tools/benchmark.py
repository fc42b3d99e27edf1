"""Same as ``ads-det benchmark``."""

from ads_det.cli import run_tool
from ads_det.commands import benchmark

if __name__ == "__main__":
    run_tool(benchmark)
