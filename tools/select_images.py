"""Same as ``ads-det rank``."""

from ads_det.cli import run_tool
from ads_det.commands import rank

if __name__ == "__main__":
    run_tool(rank)
