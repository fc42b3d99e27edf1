"""Same as ``ads-det init``."""

from ads_det.cli import run_tool
from ads_det.commands import init

if __name__ == "__main__":
    run_tool(init)
