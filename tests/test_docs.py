"""What the documentation names is there."""

import re
from pathlib import Path

import pytest

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
