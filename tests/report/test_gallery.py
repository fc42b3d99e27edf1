import io

import numpy as np
from family_models import family_config
from helpers import CONFIGS, detector_config
from mmengine.registry import init_default_scope
from PIL import Image

from ads_det.active.picks_picture import turns_of
from ads_det.active.settings import load_config
from ads_det.active.strategies import ClassBalancedEntropy, Entropy, ForegroundDiscrepancy
from ads_det.engine.model_config import has_background
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.report.gallery import distinct, plot_picks
from ads_det.report.model_figures import plot_features, plot_scale
from ads_det.report.pictures import Mark, box_marks, draw_marks


def draw(open_image, picks=("a", "b", "c")):
    file = io.BytesIO()
    plot_picks(picks, open_image, dict.fromkeys(picks, 0.5), file)
    file.seek(0)
    return np.asarray(Image.open(file).convert("RGB")).astype(int)


def test_picks_are_drawn_and_an_unreadable_one_is_black():
    red = Image.new("RGB", (40, 30), (255, 0, 0))

    def one_is_broken(name):
        if name == "b":
            raise OSError("image file is truncated")
        return red.copy()

    whole, broken = draw(lambda name: red.copy()), draw(one_is_broken)

    def count(image, colour):
        return int((np.abs(image - colour).sum(axis=-1) < 30).sum())

    assert count(broken, (255, 0, 0)) < count(whole, (255, 0, 0))
    assert count(broken, (0, 0, 0)) > count(whole, (0, 0, 0)) + 1000


def test_titles_have_enough_digits_to_differ():
    assert distinct([0.5, 0.25]) == ["0.5", "0.25"]
    assert distinct([0.69312, 0.69314, 0.69314]) == ["0.69312", "0.69314", "0.69314"]
    assert distinct([]) == []
    assert distinct([0.5, 0.5 + 1e-12]) == ["0.5", "0.5"]  # eight digits do not tell them apart


def test_proposed_boxes_are_drawn():
    grey = Image.new("RGB", (320, 240), (90, 90, 90))
    box = ImageLabels("a", 320, 240, (Box("cat", 40, 40, 200, 200, 0.9),), checked=False)
    file = io.BytesIO()
    plot_picks(["a"], lambda name: grey.copy(), dict(a=0.5), file, boxes=dict(a=box))
    drawn = np.asarray(Image.open(file).convert("RGB")).astype(int)
    assert (drawn[..., 0] - drawn[..., 2] > 100).any()  # yellow


def test_where_classes_take_turns_a_pick_says_whose_turn_it_was():
    taking = ClassBalancedEntropy()
    assert turns_of(taking, ["cat", "dog"], 3) == ["cat", "dog", "cat"]
    assert turns_of(taking, ["cat"], 3, background=True) == ["cat", "background", "cat"]
    assert turns_of(Entropy(), ["cat", "dog"], 3) == []
    without = ForegroundDiscrepancy(background=True)
    assert turns_of(without, ["cat"], 2, background=True) == ["cat", "cat"]


def test_which_detectors_have_the_background_as_a_class():
    init_default_scope("mmdet")  # as any config of a run sets it
    for family in ("fcos", "atss", "gfl", "rtmdet"):
        assert not has_background(family_config(family))
        assert not has_background(family_config(family, plain=True))
    assert has_background(family_config("faster_rcnn"))
    assert has_background(family_config("faster_rcnn", plain=True))
    assert has_background(detector_config(activation="softmax"))
    assert not has_background(detector_config(activation="sigmoid"))
    assert has_background(dict(bbox_head=dict(type="mmdet.SSDHead", num_classes=3)))
    assert not has_background(load_config(CONFIGS / "resnet8_digits_ads.py").model)


def test_marks_are_drawn_at_the_size_shown_with_readable_letters():
    image = Image.new("RGB", (100, 50), (90, 90, 90))
    at_the_edge = Mark((60, 0, 99, 49), "a long name 0.50", "yellow")
    drawn = np.asarray(draw_marks(image, [at_the_edge], side=400))
    assert drawn.shape == (200, 400, 3)  # in the proportions of the image
    yellow = (drawn == (255, 255, 0)).all(-1)
    assert yellow[100, 238:244].any() and not yellow[100, 250:390].any()  # a frame at 4 x 60
    letters = (drawn == 0).all(-1)  # black on yellow
    assert letters.any() and np.ptp(np.flatnonzero(letters.any(1))) >= 8
    assert np.flatnonzero(letters.any(0)).max() < 400
    assert draw_marks(image, []).size == (100, 50)
    assert draw_marks(image, [], side=6000).size == (600, 300)  # not to be blown up without end


def test_boxes_have_the_colour_of_their_class():
    first, second, unknown = box_marks(
        [Box("dog", 0, 0, 9, 9, 0.5), Box("cat", 0, 0, 9, 9), Box("cow", 0, 0, 9, 9)],
        ["cat", "dog"],
    )
    assert (first.text, second.text) == ("dog 0.50", "cat")
    assert len({first.colour, second.colour, unknown.colour}) == 3


def test_the_map_of_features_names_the_groups_that_there_are():
    features = np.random.default_rng(0).normal(size=(6, 4))
    (axes,) = plot_features(features, ["labelled"] * 4 + ["unlabelled"] * 2, perplexity=2).axes
    named = [text.get_text() for text in axes.get_legend().get_texts()]
    assert named == ["unlabelled (2)", "labelled (4)"]


def test_the_scale_of_heat_maps_ends_at_the_largest_value():
    (axes,) = plot_scale(0.37).axes
    assert axes.get_xlim() == (0, 0.37) and len(axes.get_xticks()) > 2
