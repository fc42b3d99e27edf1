"""What the documentation names is there, and what the tools read beside the package."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ads_det import files
from ads_det.files import shipped

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_THE_READER = {"configs/mine.py"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_tests_that_a_page_names_exist(page):
    places = r"(?:tests|benchmarks|tools|configs|docs|ads_det)"
    found = re.findall(rf"\b({places}/[\w/.-]+\.(?:py|md|json))(?:::(\w+))?", page.read_text())
    gone = [name for name, _ in found if name not in OF_THE_READER and not (ROOT / name).exists()]
    assert not gone
    for name, test in found:
        assert not test or f"def {test}(" in (ROOT / name).read_text(), (name, test)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_what_the_tools_read_beside_the_package(monkeypatch, tmp_path):
    assert shipped("configs", "_base_") == ROOT / "configs/_base_"
    monkeypatch.setattr(files, "__file__", str(tmp_path / "site-packages/ads_det/files.py"))
    assert shipped("docs", "x.json").parts[-4:] == ("share", "ads_det", "docs", "x.json")


@pytest.mark.slow
def test_a_wheel_holds_what_the_tools_read(tmp_path):
    shutil.copytree(ROOT / "ads_det", tmp_path / "ads_det")
    for name in ("configs", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*build, "-w", tmp_path / "out", tmp_path], check=True, timeout=200)
    (wheel,) = (tmp_path / "out").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("configs/_base_/ssd_small_project.py", "docs/published_results.json"):
        assert any(found.endswith(f"share/ads_det/{name}") for found in names)
