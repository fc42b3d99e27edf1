"""Advice from curves that are known, flat, falling or noisy."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ads_det.benchmark import sections
from ads_det.benchmark.run_folder import RunFolder
from ads_det.report.advice import advise, fit_curve
from ads_det.report.history import History
from ads_det.report.page import Page
from ads_det.results import CycleResult
from ads_det.work_files import RunFiles

METRIC = "pascal_voc/mAP"
SIZES = (40, 80, 120, 160)


def rows(values, sizes=SIZES, objects_per_image=10):
    """Cycles of ``history.json`` without what the advice does not read."""
    return [
        CycleResult(
            cycle=i,
            labeled_images=n,
            labeled_objects=round(n * objects_per_image),
            metrics={f"mean/{METRIC}": value},
        )
        for i, (n, value) in enumerate(zip(sizes, values))
    ]


def curve(n, a=0.8, b=3.0, c=0.6):
    return a - b * np.asarray(n, float) ** -c


@pytest.mark.parametrize(("a", "b", "c"), [(0.8, 3.0, 0.6), (0.741, 12.3, 0.8), (1.0, 4.0, 0.3)])
def test_a_known_curve_is_recovered(a, b, c):
    fit = fit_curve((60, 100, 150, 220), curve((60, 100, 150, 220), a, b, c))
    assert (fit.a, fit.b, fit.c) == pytest.approx((a, b, c), rel=1e-6)
    assert fit.residual < 1e-9 and fit.cycles == 4
    assert fit(500) == pytest.approx(a - b * 500**-c)


@pytest.mark.parametrize("values", [(0.6,) * 4, (0.6, 0.58, 0.57, 0.55), (0.0,) * 4, (1.0,) * 4])
def test_a_curve_that_does_not_rise_expects_nothing(values):
    fit = fit_curve(SIZES, values)
    assert fit.b == 0 and fit.a == pytest.approx(np.mean(values))
    assert fit.residual == pytest.approx(np.std(values))
    assert fit(1000) - fit(160) == 0


def test_it_never_expects_more_than_1():
    fit = fit_curve((10, 20, 30, 40), (0.2, 0.4, 0.6, 0.8))
    assert fit.a == 1 and fit(10**9) <= 1
    assert fit.residual > 0.01


def test_no_grid_point_within_bounds_is_better():
    """Brute force over a and b for each c."""
    values = (0.30, 0.46, 0.44, 0.52)
    fit = fit_curve(SIZES, values)
    a, share, c = np.meshgrid(np.linspace(0, 1, 201), np.linspace(0, 4, 401), np.arange(1, 21) / 10)
    misses = [a - share * (n / 40) ** -c - v for n, v in zip(SIZES, values)]
    best = np.sqrt(np.mean(np.square(misses), axis=0)).min()
    assert best * 0.995 < fit.residual <= best


@pytest.mark.parametrize("sizes", [(40,), (40, 80), (40, 80, 80), (40, 40, 40, 40)])
def test_too_few_points(sizes):
    assert fit_curve(sizes, [0.5] * len(sizes)) is None
    assert advise(rows([0.5] * len(sizes), sizes), METRIC, 40, 0.01) is None


def test_no_curve_without_results_or_for_percentages():
    assert advise([], METRIC, 40, 0.01) is None
    assert advise(rows((0.5, float("nan"), 0.6)), METRIC, 40, 0.01) is None
    assert advise(rows((0.5, 0.6, 0.7)), "coco/bbox_mAP", 40, 0.01) is None
    assert advise(rows((45.0, 52.0, 60.0)), METRIC, 40, 0.01) is None


def test_a_purchase_of_nothing_does_no_harm():
    advice = advise(rows((0.4, 0.5, 0.55, 0.56), (40, 80, 120, 120)), METRIC, 40, 0.01)
    assert advice.curve.cycles == 3 and advice.last_gain == pytest.approx(0.06)
    assert advice.next_objects == 400


def test_expectation_of_the_next_purchase():
    cycles = rows(curve(SIZES))
    # the images acquired last are fuller
    cycles[-1] = replace(cycles[-1], labeled_objects=cycles[-1].labeled_objects + 100)
    advice = advise(cycles, METRIC, 20, 0.01)
    assert advice.expected_gain == pytest.approx(curve(180) - curve(160))
    assert advice.last_gain == pytest.approx(curve(160) - curve(120))
    assert advice.recent_gain == pytest.approx((curve(160) - curve(80)) / 4)
    assert advice.objects_per_image == 1700 / 160
    assert (advice.next_images, advice.next_objects) == (20, round(20 * 500 / 40))


def test_the_end_of_the_pool():
    cycles = rows(curve(SIZES))
    few = advise(cycles, METRIC, 40, 0.01, most=165)
    assert (few.next_images, few.next_objects) == (5, 50)
    assert few.expected_gain == pytest.approx(curve(165) - curve(160))
    assert not few.stop  # 5 images bring little, but cost little: the rule asks for 40
    none = advise(cycles, METRIC, 40, 1.0, most=160)
    assert (none.next_images, none.expected_gain, none.stop) == (0, 0, False)
    assert "No image is left to label." in none.text()


@pytest.mark.parametrize(
    ("values", "min_gain", "stop"),
    [
        ((0.40, 0.60, 0.605, 0.606), 0.01, True),  # flat at the end
        ((0.40, 0.60, 0.605, 0.606), 0.0, False),  # nobody asked
        ((0.40, 0.50, 0.55, 0.58), 0.01, False),  # rises
        ((0.40, 0.40, 0.58, 0.57), 0.01, False),  # one bad result after a good batch
        ((0.40, 0.58, 0.57, 0.60), 0.016, True),  # 0.02 by two batches is less than 2 x 0.016
        ((0.60, 0.60, 0.60, 0.60), 0.01, True),
    ],
)
def test_the_stop_rule(values, min_gain, stop):
    advice = advise(rows(values), METRIC, 40, min_gain)
    assert advice.stop is stop
    has_curve = advice.curve.b > 0
    assert ("Hint: stop here. Rule: " in advice.text()) is (stop and has_curve)
    assert ("its training is at fault" in advice.text()) is not has_curve


def test_both_halves_of_the_rule_are_needed():
    still_rising = advise(rows((0.30, 0.44, 0.48, 0.52)), METRIC, 40, 0.035)
    assert still_rising.expected_gain < 0.035 < still_rising.recent_gain
    stalled = advise(
        rows((0.20, 0.36, 0.50, 0.62, 0.62, 0.62), range(40, 280, 40)), METRIC, 40, 0.01
    )
    assert stalled.recent_gain < 0.01 < stalled.expected_gain
    assert not still_rising.stop and not stalled.stop


def test_purchases_are_judged_by_their_size():
    """A small last batch that gains little is no reason to stop."""
    values = (0.40, 0.50, 0.504, 0.508)
    assert advise(rows(values, (40, 80, 120, 160)), METRIC, 40, 0.01).recent_gain < 0.01
    assert advise(rows(values, (40, 80, 82, 84)), METRIC, 40, 0.01).recent_gain > 0.05


def test_noise():
    """Curves with noise of 0.008 far from the threshold: the hint is mostly right."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.008, (200, 4))
    rising = [advise(rows(curve(SIZES) + e), METRIC, 40, 0.005) for e in noise]
    flat = [advise(rows(0.6 + e), METRIC, 40, 0.01) for e in noise]
    assert np.mean([advice.stop for advice in rising]) < 0.02
    assert np.mean([advice.stop for advice in flat]) > 0.9
    gains = [advice.expected_gain for advice in rising]
    assert np.mean(gains) == pytest.approx(curve(200) - curve(160), abs=0.004)
    assert np.mean([advice.curve.residual for advice in rising]) < 0.008  # too few to show it all


def test_text_of_a_detector():
    advice = advise(rows(curve(SIZES, 0.741, 12.3, 0.8), objects_per_image=13.5), METRIC, 40, 0.005)
    assert advice.text().split("\n") == [
        "Labels so far: 160 images, 2,160 objects (13.5 an image).",
        "The curve 0.741 - 12.3 n^-0.8 through 4 cycles expects +0.035 mAP from the next 40 images "
        "(about 540 objects); the last batch gave +0.055.",
        "Only a guess: the results of 4 cycles lie 0.000 off the curve (root mean square), and "
        "what lies ahead of them is less sure.",
    ]


def test_text_of_a_classifier_counts_images_only():
    text = advise(rows(curve(SIZES), objects_per_image=1), METRIC, 1, 0.9).text()
    assert "object" not in text
    assert text.startswith("Labels so far: 160 images.\n")
    assert "from the next 1 image; " in text and "from 1 more image, and" in text


def test_text_of_the_hint_and_of_the_caution():
    text = advise(rows((0.5, 0.5, 0.5)), METRIC, 40, 0.01).text()
    assert "In 3 cycles mAP did not rise with the labels: either the model can do" in text
    assert "Hint" not in text
    text = advise(rows((0.5, 0.501, 0.502)), METRIC, 40, 0.01).text()
    assert (
        "Hint: stop here. Rule: the curve expects less than 0.01 from 40 more images, and the last "
        "two batches gained less than that for every 40 images."
    ) in text
    assert text.endswith("three cycles are just enough to draw a curve, none checks it.")


def test_a_budget_of_nothing():
    with pytest.raises(ValueError, match="budget is 0"):
        advise(rows((0.1, 0.2, 0.3)), METRIC, 0, 0.01)


def write(folder, cycles, *settings):
    folder.mkdir()
    history = History(RunFiles(folder), METRIC, *settings)
    for row in cycles:
        history.add(replace(row, seconds=dict(train=1.0)))
        history.write()
    return history


def test_history_json_holds_the_advice_of_the_last_cycle(tmp_path):
    cycles = rows((0.40, 0.50, 0.55, 0.58))
    history = write(tmp_path / "run", cycles, 40, 0.005, 1000)
    content = json.loads((tmp_path / "run/history.json").read_text())
    expected = advise(cycles, METRIC, 40, 0.005, 1000)
    assert content["advice"] == expected.to_dict()
    assert content["advice"]["text"] == history.advice_text() == expected.text()
    assert content["advice"]["curve"]["cycles"] == 4 and content["advice"]["stop"] is False
    write(tmp_path / "again", cycles, 40, 0.005, 1000)
    for name in ("history.json", "history.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_history_json_without_advice(tmp_path):
    cycles = rows((0.40, 0.50, 0.55, 0.58))
    early = write(tmp_path / "early", cycles[:2], 40)
    assert early.advice_text() == ""
    unasked = write(tmp_path / "unasked", cycles)
    assert unasked.advice_text() == ""
    for name in ("early", "unasked"):
        content = json.loads((tmp_path / name / "history.json").read_text())
        assert content["advice"] is None and list(content) == ["metric", "cycles", "advice"]


class EndOfAdvice(Exception):
    pass


@pytest.mark.parametrize(("budget", "shown"), [(40, 3), (None, 0)])
def test_the_page_shows_the_advice(tmp_path, monkeypatch, budget, shown):
    def stop(*_):
        raise EndOfAdvice  # what follows needs images

    write(tmp_path / "run", rows((0.40, 0.50, 0.55, 0.58)), budget)
    (tmp_path / "run/config.json").write_text("{}")
    monkeypatch.setattr(sections, "_class_counts", stop)
    page = Page(tmp_path / "out", "t")
    with pytest.raises(EndOfAdvice):
        sections.add_pool(page, RunFolder(tmp_path / "run", "run"))
    text = page.write().read_text()
    assert text.count("<p>") == shown
    assert ("<p>Labels so far: 160 images, 1,600 objects (10.0 an image).</p>" in text) is bool(
        shown
    )
