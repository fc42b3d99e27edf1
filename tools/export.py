"""Same as ``ads-det export``."""

from ads_det.cli import run_tool
from ads_det.commands import export

if __name__ == "__main__":
    run_tool(export)
