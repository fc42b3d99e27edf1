"""The table's mAP against mmdet's own function and against pycocotools."""

import json

import numpy as np
import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmdet.evaluation.functional import eval_map
from mmengine.config import Config

from ads_det.engine.metric_names import check_metric
from ads_det.engine.metrics import AccuracyMetric, PerClassifierMetric
from ads_det.engine.proposal_metric import ProposalMetric
from ads_det.errors import ADSError

CLASSES = ("a", "b", "c")


def instances(boxes, labels, scores=None):
    result = dict(bboxes=torch.tensor(boxes).float(), labels=torch.tensor(labels).long())
    return result if scores is None else result | dict(scores=torch.tensor(scores).float())


@pytest.fixture
def samples():
    """60 images with up to 4 objects; some are found, some missed, some invented.

    Boxes are large, so that the pixel that VOC adds to each side hardly counts.
    """
    rng = np.random.default_rng(0)
    samples = []
    for number in range(60):
        n = int(rng.integers(1, 5))
        corner = rng.uniform(0, 600, (n, 2))
        gt = np.hstack([corner, corner + rng.uniform(120, 400, (n, 2))])
        labels = rng.integers(0, 3, n)
        sample = dict(
            img_id=number,
            ori_shape=(1000, 1000),
            gt_instances=instances(gt, labels),
            ignored_instances=instances(np.zeros((0, 4)), np.zeros(0)),
        )
        for field, noise in (("", 20.0), ("_f1", 40.0), ("_f2", 80.0)):
            found = rng.random(n) < 0.8
            boxes = np.vstack([gt[found], rng.uniform(0, 400, (2, 4)) + np.array([0, 0, 400, 400])])
            boxes[: found.sum()] += rng.normal(0, noise, (found.sum(), 4))
            sample[f"pred_instances{field}"] = instances(
                boxes,
                np.concatenate([labels[found], rng.integers(0, 3, 2)]),
                np.concatenate([rng.uniform(0.3, 1, found.sum()), rng.uniform(0, 0.6, 2)]),
            )
        samples.append(sample)
    return samples


def evaluate(samples, evaluator=None, **metric):
    evaluator = evaluator or PerClassifierMetric(dict(metric="mAP", iou_thrs=0.5) | metric)
    evaluator.dataset_meta = dict(classes=CLASSES)
    for start in range(0, len(samples), 16):
        evaluator.process(None, samples[start : start + 16])
    return evaluator.evaluate(len(samples))


def by_class(boxes, labels, scores):
    rows = np.hstack([boxes, scores[:, None]])
    return [rows[labels == c] for c in range(3)]


def test_map_equals_mmdets_function(samples):
    metrics = evaluate(samples, type="mmdet.VOCMetric", eval_mode="11points")
    assert 0.5 <= metrics["mean/proposals/precision"] < 1
    for name, field in (("mean", ""), ("classifier_1", "_f1"), ("classifier_2", "_f2")):
        dets, gts = [], []
        for sample in samples:
            pred = {k: v.numpy() for k, v in sample[f"pred_instances{field}"].items()}
            dets.append(by_class(pred["bboxes"], pred["labels"], pred["scores"]))
            gt = {k: v.numpy() for k, v in sample["gt_instances"].items()}
            nothing = dict(bboxes_ignore=np.zeros((0, 4)), labels_ignore=np.zeros(0))
            gts.append(gt | nothing)
        expected, _ = eval_map(
            dets,
            gts,
            iou_thr=0.5,
            dataset=CLASSES,
            logger="silent",
            eval_mode="11points",
            use_legacy_coordinate=True,
        )
        assert metrics[f"{name}/pascal_voc/mAP"] == pytest.approx(expected, abs=1e-6)
    # more noise on the boxes, less precision
    assert metrics["mean/pascal_voc/mAP"] > metrics["classifier_1/pascal_voc/mAP"]
    assert metrics["classifier_1/pascal_voc/mAP"] > metrics["classifier_2/pascal_voc/mAP"] > 0.1


def test_classifiers_that_no_longer_predict_are_forgotten(samples):
    """An ensemble is tested with the evaluator that has tested its first member."""
    evaluator = PerClassifierMetric(dict(type="mmdet.VOCMetric"))
    member = evaluate(samples, evaluator)
    alone = [{k: v for k, v in s.items() if k[-3:] not in ("_f1", "_f2")} for s in samples]
    whole = evaluate(alone, evaluator)
    assert whole == {k: v for k, v in member.items() if k.startswith("mean/")} != member


def believed(metric):
    """The names of a metric's results, as the sentence lists them."""
    with pytest.raises(ADSError, match="active_learning.metric is 'x', but") as error:
        check_metric("x", "active_learning.metric", Config(dict(test_evaluator=metric)))
    return str(error.value).split("measures ")[1].removesuffix("; use one of them.").split(", ")


@pytest.mark.parametrize("metric", [dict(), dict(iou_thrs=[0.5, 0.75]), dict(prefix="mine")])
def test_names_known_before_a_training_are_those_measured(metric, samples):
    metric = dict(type="mmdet.VOCMetric") | metric
    beside = ("/test_images", "/mAP_low", "/mAP_high")
    found = [
        name.removeprefix("mean/")
        for name in evaluate(samples, **metric)
        if name.startswith("mean/")
        and "/AP/" not in name
        and "/proposals/" not in name
        and not name.endswith(beside)
    ]
    one = len(np.atleast_1d(metric.get("iou_thrs", 0.5))) == 1
    prefix = metric.get("prefix", "pascal_voc")
    assert (f"mean/{prefix}/mAP_low" in evaluate(samples, **metric)) is one
    assert found == believed(dict(type="ads_det.PerClassifierMetric", metric=metric))


def test_metrics_that_are_not_known_are_believed():
    for evaluator in (dict(type="mine.Metric"), [dict(type="mine.Metric")]):
        check_metric("x", "active_learning.metric", Config(dict(test_evaluator=evaluator)))
    assert believed(dict(type="ads_det.AccuracyMetric")) == ["accuracy"]
    voc = Config(dict(test_evaluator=dict(type="VOCMetric")))
    check_metric("pascal_voc/AP/cat", "active_learning.metric", voc)


@pytest.mark.parametrize(
    ("metric", "names"),
    [
        (dict(metric="proposal"), "AR@100 AR@300 AR@1000 AR_s@1000 AR_m@1000 AR_l@1000"),
        (dict(metric="proposal", metric_items=["AR@300"]), "AR@300"),
        (dict(metric="proposal_fast", proposal_nums=(1, 10)), "AR@1 AR@10"),
        (dict(metric=["bbox", "proposal_fast"], metric_items=["mAP"]), "bbox_mAP AR@100 AR@300"),
    ],
)
def test_names_of_proposals_by_coco(metric, names):
    found = believed(dict(type="CocoMetric", **metric))
    assert found[: len(names.split())] == [f"coco/{name}" for name in names.split()]


def test_items_that_coco_does_not_measure_are_refused():
    evaluator = dict(type="CocoMetric", metric_items=["mAP", "mAP_60"])
    with pytest.raises(ADSError, match="metric_items names 'mAP_60'; CocoMetric knows mAP, mAP_50"):
        check_metric("coco/bbox_mAP", "metric", Config(dict(test_evaluator=evaluator)))


def test_map_agrees_with_pycocotools(samples, tmp_path):
    """Area under the curve here, 101 interpolated points and no +1 pixel there."""
    annotations = []
    for sample in samples:
        gt = sample["gt_instances"]
        for box, label in zip(gt["bboxes"].tolist(), gt["labels"].tolist(), strict=True):
            x1, y1, x2, y2 = box
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=sample["img_id"],
                    category_id=label + 1,
                    bbox=[x1, y1, x2 - x1, y2 - y1],
                    area=(x2 - x1) * (y2 - y1),
                    iscrowd=0,
                )
            )
    content = dict(
        images=[dict(id=s["img_id"], file_name=f"{s['img_id']}.jpg", width=1000, height=1000)
                for s in samples],
        categories=[dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)],
        annotations=annotations,
    )  # fmt: skip
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content))
    coco = CocoMetric(ann_file=str(path), metric="bbox")
    coco.dataset_meta = dict(classes=CLASSES)
    coco.process(None, samples)
    measured = coco.evaluate(len(samples))
    assert list(measured) == believed(dict(type="CocoMetric", metric="bbox"))
    theirs = measured["coco/bbox_mAP_50"]
    # what exporters write: numbers from 0, no area, `ignore`; and images that no model saw
    for number, annotation in enumerate(annotations):
        del annotation["area"], annotation["iscrowd"]
        annotation["id"] = number // 2  # twice the same, too
    annotations.append(annotations[0] | dict(id="a1", ignore=1, bbox=[0, 0, 7, 7]))
    annotations.append(annotations[0] | dict(id="a2", image_id=10**6))
    content["images"].append(dict(id=10**6, file_name="more.jpg", width=9, height=9))
    path.write_text(json.dumps(content))
    metric = dict(type=CocoMetric, ann_file=str(path), metric="bbox")
    mended = evaluate(samples, PerClassifierMetric(metric))
    assert mended["mean/coco/bbox_mAP_50"] == theirs
    ours = evaluate(samples, type="mmdet.VOCMetric", eval_mode="area")["mean/pascal_voc/mAP"]
    assert ours == pytest.approx(theirs, abs=0.01)
    assert 0.4 < ours < 0.95


def test_boxes_worth_proposing_by_hand():
    """In each image the best box is right, the next lies on the same object, the third has another
    class: only boxes from .9 on are right more often than wrong."""
    truth = instances([[0, 0, 100, 100]], [1])
    nothing = instances(np.zeros((0, 4)), np.zeros(0))
    found = instances(
        [[0, 0, 100, 90], [0, 0, 100, 100], [0, 0, 100, 100]], [1, 1, 2], [0.9, 0.7, 0.4]
    )
    sample = dict(gt_instances=truth, ignored_instances=nothing, pred_instances=found)
    metric = ProposalMetric()
    metric.process(None, [sample] * 4)
    assert metric.evaluate(4) == {}  # of ten boxes or more too few are right
    metric.process(None, [sample] * 10)
    assert metric.evaluate(10) == {
        "proposals/threshold": pytest.approx(0.9),
        "proposals/precision": 1.0,
    }
    metric.process(None, [dict(sample, pred_instances=dict(nothing, scores=torch.zeros(0)))])
    assert metric.evaluate(1) == {}


def test_accuracy_by_hand():
    """Four images of three classes; f1 is right twice, f2 once, their mean twice."""
    truth = [0, 1, 2, 0]
    f1 = [[0.9, 0.1, 0], [0, 0.5, 0.6], [0, 0.3, 0.4], [0.2, 0.3, 0]]
    f2 = [[0.2, 0.3, 0], [0, 0.9, 0.1], [0.1, 0.5, 0.2], [0.1, 0.7, 0]]
    metric = AccuracyMetric()
    for start in (0, 2):
        metric.process(
            None,
            [
                dict(
                    gt_label=torch.tensor(truth[i]),
                    pred_f1=torch.tensor(f1[i]),
                    pred_f2=torch.tensor(f2[i]),
                    pred_mean=(torch.tensor(f1[i]) + torch.tensor(f2[i])) / 2,
                )
                for i in (start, start + 1)
            ],
        )
    expected = {"mean": 0.5, "classifier_1": 0.5, "classifier_2": 0.25, "classifiers": 0.375}
    assert metric.evaluate(4) == {f"{k}/accuracy": v for k, v in expected.items()}


def test_accuracy_of_an_ensemble_counts_every_member():
    right, wrong = torch.tensor([0.9, 0.1]), torch.tensor([0.2, 0.8])
    sample = dict(gt_label=torch.tensor(0), pred_mean=right)
    sample |= {f"pred_f{i}": y for i, y in enumerate((right, wrong, wrong, wrong), start=1)}
    metric = AccuracyMetric()
    metric.process(None, [sample])
    found = metric.evaluate(1)
    assert found["classifiers/accuracy"] == 0.25 and found["classifier_4/accuracy"] == 0
