"""The report on real runs, and in a real browser where there is one."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import tiny_classification_config

from ads_det.active.loop import ActiveLearningLoop
from ads_det.benchmark.run_folder import find_runs
from ads_det.commands.work.report import missing_runs, published_entries, unlike_measures
from ads_det.report.page import MOST_BYTES, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
FIGURES = ["classes", "curves_by_images", "curves_by_objects", "features_00", "heat_scale"]
FIGURES += ["scores", "seconds"]
PHOTOS = ["picks_00_01", "picks_01_04", "failures_01", "heat_01"]


@pytest.fixture(scope="module")
def comparison(finished, tmp_path_factory):
    """A folder as benchmark.py leaves it, with two methods and one seed each."""
    folder = tmp_path_factory.mktemp("report") / "bench"
    for method, factor in (("ads+entropy", 1.0), ("plain+random", 0.5)):
        target = folder / method / "seed_0"
        shutil.copytree(finished, target)
        history = json.loads((target / "history.json").read_text())
        for row in history["cycles"]:
            row["metrics"] = {k: v * factor for k, v in row["metrics"].items()}
        (target / "history.json").write_text(json.dumps(history))
    return folder


def test_the_page_of_a_detection_comparison(run, comparison, tmp_path):
    out = tmp_path / "out"
    status, printed, err = run("report.py", comparison, "--out", out, "--ceiling", 0.5)
    assert status == 0, err
    assert printed.strip().endswith("report.html")
    page = (out / "report.html").read_text()
    for name in FIGURES:
        assert (out / "figures" / f"{name}.png").read_bytes()[1:4] == b"PNG"
        assert "<svg" in (out / "figures" / f"{name}.svg").read_text()
    for name in PHOTOS:
        assert (out / "figures" / f"{name}.jpg").read_bytes()[:2] == b"\xff\xd8"
    pictures = re.findall('src="(data:image/[^"]*)"', page)
    assert len(pictures) == len(set(pictures)) == page.count("<img ")  # none is shown twice
    assert len(page) < MOST_BYTES
    assert "over 12 test images" in page and "Warning: 12 test images are few" in page
    assert not re.search(r'(src|href)="(http|//)', page)  # no network
    assert "ads+entropy − plain+random" in page
    pairs = (out / "tables/pairs.csv").read_text()
    assert pairs.startswith("pair,seeds,by images,by objects,win/tie/loss\n")


def test_runs_that_are_measured_otherwise_do_not_compare(comparison, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(comparison / "ads+entropy/seed_0", other)
    config = json.loads((other / "config.json").read_text())
    config["test_dataloader"]["dataset"]["indices"] = 8
    (other / "config.json").write_text(json.dumps(config))
    runs = find_runs([comparison / "ads+entropy/seed_0", other])
    (sentence,) = unlike_measures(runs)
    assert "they differ in test_dataloader.dataset.indices (None, 8)." in sentence
    assert not unlike_measures(find_runs([comparison]))


def test_runs_of_a_comparison_that_are_gone_are_told(comparison, tmp_path):
    folder = tmp_path / "bench"
    shutil.copytree(comparison, folder)
    names = dict.fromkeys(("ads+entropy", "plain+random", "gone+random"), "hash")
    content = dict(config="hash", trainings={}, methods=names, seeds=[0], versions=[])
    (folder / "manifest.json").write_text(json.dumps(content))
    (sentence,) = missing_runs([comparison, folder])
    assert sentence.startswith(f"Of gone+random in {folder} 0 of 1 runs have a result")


@pytest.mark.slow
def test_the_page_of_a_classification_run_without_model_pictures(run, tmp_path):
    work_dir = tmp_path / "a <b> & 'c'"
    options = {"active_learning.cycles": 2, "train_cfg.max_epochs": 1}
    ActiveLearningLoop(tiny_classification_config(**options), work_dir).run()
    status, _, err = run("report.py", work_dir, "--no-model")
    assert status == 0, err
    page = (work_dir / "report/report.html").read_text()
    assert "a &lt;b&gt; &amp; &#x27;c&#x27;" in page and "<b> &" not in page
    assert not list((work_dir / "report/figures").glob("picks_00_*"))
    status, _, err = run("report.py", work_dir, "--out", tmp_path / "whole")
    assert status == 0, err
    assert (tmp_path / "whole/figures/features_00.png").exists()
    assert (tmp_path / "whole/figures/picks_00_01.jpg").exists()
    assert "classifier 1: " in (tmp_path / "whole/report.html").read_text()


@pytest.mark.slow
def test_published_curves_in_the_units_of_the_run(run, comparison, tmp_path):
    arguments = (comparison, "--no-model", "--out", tmp_path / "out", "--published")
    assert run("report.py", *arguments, "Fig. 5a")[0] == 0
    svg = (tmp_path / "out/figures/curves_by_images.svg").read_text()
    for name in ("ADS", "LL4AL", "Core-set"):
        assert f"{name} (published, ADS (AAAI 2021))" in svg
    status, _, err = run("report.py", *arguments, "Fig. 99")
    assert status == 2 and "does not hold" in err


def test_the_nearest_relative_stands_beside_the_figure_of_its_data_and_model():
    entries = json.loads((Path(__file__).parents[2] / "docs/published_results.json").read_text())
    found = {e["method"]: e["paper"] for e in published_entries(entries, "Fig. 6")}
    assert found["MI-AOD"].startswith("MI-AOD") and found["LL4AL"].startswith("ADS")
    assert len(published_entries(entries, "Fig. 5a")) == 3
    assert [e["method"] for e in published_entries(entries, "Fig. 5b")] == ["ADS", "LL4AL"]
    assert published_entries(entries, "Fig. 99") == []


def test_runs_of_several_metrics_have_no_common_curve(run, comparison, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(comparison / "ads+entropy/seed_0", other)
    config = (other / "config.json").read_text()
    history = json.loads((other / "history.json").read_text()) | dict(metric="coco/bbox_mAP")
    for row in history["cycles"]:
        row["metrics"]["mean/coco/bbox_mAP"] = 0.5
    (other / "history.json").write_text(json.dumps(history))
    (other / "config.json").write_text(config.replace('"pascal_voc/mAP"', '"coco/bbox_mAP"'))
    status, _, err = run("report.py", comparison / "ads+entropy/seed_0", other, "--out", "out")
    assert status == 2 and "--metric" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["."], "holds no history.json"),
        (["{bench}", "--run", "x"], "use one of ads+entropy"),
        (["{bench}", "--ceiling", "0"], "--ceiling is 0.0; use a number above 0"),
        (["{bench}", "--ceiling", "inf"], "--ceiling is inf; use a number above 0"),
        (["{bench}", "--metric", "mean/f1"], "has no metric 'mean/f1'; use one of "),
    ],
)
def test_mistakes(run, comparison, arguments, message):
    status, _, err = run("report.py", *(a.format(bench=comparison) for a in arguments))
    assert status == 2 and message in err and err.count("\n") == 1


def test_tables_escape_and_mark(tmp_path):
    page = Page(tmp_path, "<t>")
    page.table("t", ["<h>"], [["**+0.1** [<]"]])
    text = page.write().read_text()
    assert "<b>+0.1</b> [&lt;]" in text and "&lt;h&gt;" in text and "<h1>&lt;t&gt;</h1>" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_in_a_browser(run, comparison, tmp_path):
    out = tmp_path / "out"
    assert run("report.py", comparison, "--no-model", "--out", out)[0] == 0
    probe = "<script>document.title = [...document.images].filter(i => i.naturalWidth > 0 && "
    probe += "i.getBoundingClientRect().height > 50).length + ' of ' + document.images.length + "
    probe += "' images, ' + (document.documentElement.scrollWidth - innerWidth) + ' px too wide';"
    probed = out / "probed.html"
    text = (out / "report.html").read_text()
    probed.write_text(text.replace("</body>", f"{probe}</script></body>"))
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --disable-quic --enable-logging=stderr"
    command = [CHROMIUM, *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    for size in ("1280,900", "500,900"):  # headless Chromium is never narrower
        page = [f"--window-size={size}", probed.as_uri()]
        done = subprocess.run([*command, *page], capture_output=True, text=True, timeout=120)
        title = re.search("<title>(.*?)</title>", done.stdout)[1]
        shown, images, wide = map(int, re.findall(r"-?\d+", title))
        assert shown == images >= 5 and wide <= 0, title
        assert "CONSOLE" not in done.stderr, done.stderr
