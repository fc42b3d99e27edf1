"""Same as ``ads-det import``."""

from ads_det.cli import run_tool
from ads_det.commands import import_labels

if __name__ == "__main__":
    run_tool(import_labels)
