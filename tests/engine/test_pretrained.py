"""Weights trained for other classes: what is taken, carried over, drawn anew and left."""

import copy
import functools
import pickle
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from family_models import LAYERS, build, family_config
from foreign_models import retinanet, ssd
from helpers import detector_config, state_of
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_state_dict
from torch import nn

from ads_det.active.settings import load_config
from ads_det.commands.init import DETECTORS
from ads_det.engine.class_rows import Rows, carry_classes, class_tensors, shapes_of
from ads_det.engine.pretrained import check_pretrained
from ads_det.errors import ADSError
from ads_det.models.doubled_layer import layers_of

GIVEN = ["car", "dog", "Traffic_Light"]
PLACES = LAYERS | {
    "retinanet": "bbox_head.retina_cls",
    "ssd_sigmoid": "bbox_head.cls_convs",
    "ssd_softmax": "bbox_head.cls_convs",
}


def config_of(family, plain, classes):
    if family.startswith("ssd"):
        if not plain:
            return detector_config(num_classes=classes, activation=family.removeprefix("ssd_"))
        model = ssd()
        model["bbox_head"]["num_classes"] = classes
        return model
    if family != "retinanet":
        return family_config(family, plain, num_classes=classes)
    model = retinanet()
    model["bbox_head"]["num_classes"] = classes
    if not plain:
        model["type"], model["bbox_head"]["type"] = "ads_det.ADSDetector", "ads_det.ADSRetinaHead"
    return copy.deepcopy(model)


def transfer(given, own, own_config, names):
    """Load what fits, as mmengine does, then carry over; the result and what was before."""
    before = state_of(own)
    load_state_dict(own, given.state_dict(), strict=False)
    known = class_tensors(own_config)
    result = carry_classes(own.state_dict(), before, given.state_dict(), known, names)
    return result, before


def probabilities(layer, x, classes, extra):
    """Scores of a layer on features as (N, anchors, classes, ...), relative to the background's
    where there is one."""
    y = layer(x)
    y = y.view(len(y), -1, classes + extra, *y.shape[2:])
    return y[:, :, :-1] - y[:, :, -1:] if extra else y


@pytest.mark.parametrize("family", PLACES)
def test_the_scores_of_a_class_that_both_know_are_the_same(family):
    """In every anchor, in f1 to the digit and in f2 nearly; whatever the layout of the rows."""
    own_config = config_of(family, False, 2)
    given, own = build(config_of(family, True, 3), seed=1), build(own_config, seed=2)
    with torch.no_grad():
        for name, value in given.state_dict().items():
            if name.startswith(PLACES[family]):
                value.copy_(torch.randn(value.shape))
    result, before = transfer(given, own, own_config, (["traffic light", "tree"], GIVEN))
    place = PLACES[family]
    theirs = layers_of(given.get_submodule(place))
    mine, doubled = (layers_of(own.get_submodule(p)) for p in (place, f"{place}2"))
    extra = int(family in ("ssd_softmax", "faster_rcnn"))
    given_extra = int(extra or family.startswith("ssd"))
    for old, new, second in zip(theirs, mine, doubled, strict=True):
        weight = next(old.parameters())
        x = torch.randn(2, weight.shape[1], *((5, 5) if weight.dim() == 4 else ()))
        expected = probabilities(old, x, 3, given_extra)[:, :, 2]
        found = probabilities(new, x, 2, extra)[:, :, 0]
        near = probabilities(second, x, 2, extra)[:, :, 0]
        assert torch.allclose(found, expected, atol=1e-3)
        gap = (near - found).abs().mean() / expected.std()
        assert 0.001 < gap < 0.5
    assert result.classes == ["traffic light"] and not result.left
    assert {n.rpartition(".")[0] for n in result.carried if place not in n} <= {
        "roi_head.bbox_head.fc_reg"
    }
    known = class_tensors(own_config)
    assert set(result.loaded) == {name for name, rows in known.items() if rows is None}
    # the row of "tree" is as it was drawn
    name = next(n for n in known if n.startswith(f"{place}.") and n.endswith("weight"))
    rows = 2 + extra
    tree = own.state_dict()[name].unflatten(0, (-1, rows))[:, 1]
    assert torch.equal(tree, before[name].unflatten(0, (-1, rows))[:, 1])


def test_boxes_of_a_class_go_with_it():
    own_config = config_of("faster_rcnn", False, 2)
    given, own = build(config_of("faster_rcnn", True, 3), seed=1), build(own_config, seed=2)
    transfer(given, own, own_config, (["tree", "dog"], GIVEN))
    old, new = (model.roi_head.bbox_head.fc_reg.weight for model in (given, own))
    assert torch.equal(new[4:], old[4:8]) and not torch.equal(new[:4], old[4:8])


def test_classes_in_another_order_are_put_right():
    """All tensors fit, but row 0 is another class."""
    own_config = config_of("retinanet", True, 3)
    given, own = build(config_of("retinanet", True, 3), seed=1), build(own_config, seed=2)
    result, before = transfer(given, own, own_config, (["dog", "car", "tree"], GIVEN))
    old, new = (m.bbox_head.retina_cls.weight.unflatten(0, (-1, 3)) for m in (given, own))
    assert torch.equal(new[:, 0], old[:, 1]) and torch.equal(new[:, 1], old[:, 0])
    drawn = before["bbox_head.retina_cls.weight"].unflatten(0, (-1, 3))
    assert torch.equal(new[:, 2], drawn[:, 2])
    assert result.classes == ["dog", "car"]


@pytest.mark.parametrize("names", [["x", "y", "z"], []])
def test_without_a_matching_class_the_layer_is_drawn_anew_and_the_line_says_so(names):
    own_config = config_of("retinanet", True, 2)
    given, own = build(config_of("retinanet", True, 3), seed=1), build(own_config, seed=2)
    given.extra = nn.Linear(2, 2)
    result, before = transfer(given, own, own_config, (["car", "dog"], names))
    assert torch.equal(own.bbox_head.retina_cls.weight, before["bbox_head.retina_cls.weight"])
    assert result.sentence("w.pth") == (
        f"Of w.pth {len(result.loaded)} tensors were loaded; bbox_head.retina_cls.weight, "
        "bbox_head.retina_cls.bias drawn anew; extra.weight, extra.bias left over."
    )


def test_layers_without_a_counterpart_are_drawn_anew():
    """One of another shape, two whose rows are of no number of classes, and one that is not
    there."""
    state = dict(stem=torch.zeros(2)) | {n: torch.zeros(2, 4) for n in ("cls", "cls2", "own")}
    before = {name: value + 1 for name, value in state.items()}
    known = dict(dict.fromkeys(state, Rows(1, 0, False)), stem=None)
    given = dict(stem=torch.ones(3), cls=torch.ones(7, 4))
    result = carry_classes(state, before, given, known, (["car", "dog"], GIVEN))
    assert (
        result.drawn == ["stem", "cls", "cls2", "own"] and not result.carried and not result.classes
    )
    assert torch.equal(state["cls"], before["cls"])  # not what was loaded
    assert torch.equal(state["stem"], torch.zeros(2))


def test_shapes_of_a_model_that_reads_numbers_while_it_is_built():
    """As mmdet's Swin does, which has none without memory."""
    init_default_scope("mmdet")
    swin = dict(type="SwinTransformer", embed_dims=4, depths=(1,) * 4, num_heads=(1,) * 4)
    state = torch.get_rng_state()
    found = shapes_of(swin)
    assert torch.equal(state, torch.get_rng_state())
    assert found["patch_embed.projection.weight"] == (4, 3, 4, 4)
    assert found == {name: value.shape for name, value in build(swin).state_dict().items()}


def test_the_rows_of_anchors_boxes_and_background():
    found = class_tensors(config_of("faster_rcnn", True, 3))
    assert found["roi_head.bbox_head.fc_cls.weight"] == Rows(1, 1, False)
    assert found["roi_head.bbox_head.fc_reg.bias"] == Rows(4, 0, True)
    assert found["rpn_head.rpn_cls.weight"] is None
    assert class_tensors(config_of("ssd", True, 3))["bbox_head.cls_convs.0.0.weight"].extra == 4


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("rtmdet_tiny", "rtmdet/rtmdet_tiny_8xb32-300e_coco.py"),
        ("retinanet_r50", "retinanet/retinanet_r50_fpn_1x_coco.py"),
    ],
)
def test_detectors_of_projects_have_the_tensors_of_the_published_ones(name, published):
    """Their checkpoints cannot be had here; what mmdet's config builds is what they hold."""
    ours, theirs = load_config(DETECTORS[name]), load_config(mmdet_config(published))
    assert shapes_of(ours.model) == shapes_of(theirs.model)
    assert ours.model.data_preprocessor.mean == theirs.model.data_preprocessor.mean


def mmdet_config(path):
    import mmdet

    return f"{mmdet.__path__[0]}/.mim/configs/{path}"


def test_weights_of_another_architecture_are_refused(tmp_path):
    """Before any work; those of other classes are not."""
    for family in ("retinanet", "faster_rcnn"):
        state = build(config_of(family, True, 80)).state_dict()
        torch.save(dict(state_dict=state), tmp_path / f"{family}.pth")
    model = config_of("retinanet", False, 3)
    check_pretrained(Config(dict(model=model, load_from=str(tmp_path / "retinanet.pth"))))
    with pytest.raises(ADSError, match=r"faster_rcnn.pth is of another architecture.*bbox_head"):
        check_pretrained(Config(dict(model=model, load_from=str(tmp_path / "faster_rcnn.pth"))))
    model["backbone"]["base_channels"] = 16
    with pytest.raises(ADSError, match=r"tensors are missing or of another shape, the first is"):
        check_pretrained(Config(dict(model=model, load_from=str(tmp_path / "retinanet.pth"))))


def test_weights_at_an_address_are_read_like_a_file(tmp_path, monkeypatch):
    """Nothing in them is executed either."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    model = config_of("retinanet", False, 3)
    torch.save(build(config_of("retinanet", True, 80)).state_dict(), tmp_path / "right.pth")
    (tmp_path / "wrong.pth").write_bytes(pickle.dumps(Touch(tmp_path / "touched")))
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        check_pretrained(Config(dict(model=model, load_from=f"{place}/right.pth")))
        for name, reason in (("wrong", "it holds more than weights"), ("gone", "HTTP Error 404")):
            with pytest.raises(ADSError, match=f"{name}.pth.*could not be loaded .*{reason}"):
                check_pretrained(Config(dict(model=model, load_from=f"{place}/{name}.pth")))
        server.shutdown()
    assert (tmp_path / "cache/hub/checkpoints/right.pth").exists()
    assert not (tmp_path / "touched").exists()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class Touch:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")
