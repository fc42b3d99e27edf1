"""Same as ``ads-det report``."""

from ads_det.cli import run_tool
from ads_det.commands import report

if __name__ == "__main__":
    run_tool(report)
