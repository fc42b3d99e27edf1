"""Same as ``ads-det run``."""

from ads_det.cli import run_tool
from ads_det.commands import run

if __name__ == "__main__":
    run_tool(run)
