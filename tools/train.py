"""Same as ``ads-det train``."""

from ads_det.cli import run_tool
from ads_det.commands import train

if __name__ == "__main__":
    run_tool(train)
