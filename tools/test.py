"""Same as ``ads-det test``."""

from ads_det.cli import run_tool
from ads_det.commands import test

if __name__ == "__main__":
    run_tool(test)
