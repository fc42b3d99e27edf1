"""Numbers of a config with which nothing is learnt or found."""

import pytest

from ads_det.engine.ranges import check_ranges
from ads_det.errors import ADSError
from ads_det.labels.project import check_classes


@pytest.mark.parametrize(
    "cfg",
    [
        dict(log_level="LOUD"),
        dict(log_level=None),
        dict(auto_scale_lr=dict(enable=True)),
        dict(auto_scale_lr=dict(enable=1, base_batch_size=8)),
        dict(pool=dict(img_subdir=3)),
        dict(test_dataloader=dict(dataset=dict(indices=0))),
        dict(test_dataloader=dict(dataset=dict(indices=1.5))),
        dict(optim_wrapper=dict(optimizer=dict(lr=-1e-3))),
        dict(optim_wrapper=dict(optimizer=dict(lr="1e-3"))),
        dict(model=dict(test_cfg=dict(score_thr=1))),
        dict(model=dict(test_cfg=dict(nms=dict(iou_threshold=2)))),
        dict(param_scheduler=[dict(T_max=0)]),
        dict(train_dataloader=dict(drop_last="no")),
        dict(param_scheduler=[dict(convert_to_iter_based="no")]),
        dict(anything=dict(whatever="False")),
    ],
)
def test_refused(cfg):
    with pytest.raises(ADSError, match="use|add"):
        check_ranges(cfg)


def test_ordinary_numbers_pass():
    check_ranges(
        dict(
            log_level="INFO",
            auto_scale_lr=dict(enable=False, base_batch_size=32),
            test_dataloader=dict(dataset=dict(indices=[0, 3]), prefetch_factor=None),
            test_evaluator=dict(iou_thrs=None),
            param_scheduler=[dict(begin=0, end=10, T_max=10)],
            model=dict(test_cfg=dict(score_thr=0.0, nms_pre=-1)),
            metainfo=dict(classes=["true", "false"]),
        )
    )


@pytest.mark.parametrize(
    "classes",
    [
        ["a\nb"],
        [" a"],
        ["cat,dog"],
        ["cat", "Cat"],
        ["caf\u00e9", "cafe\u0301"],
        ["\udc80"],
        ["a", "a"],
    ],
)
def test_class_names_that_no_label_file_keeps_apart(classes):
    with pytest.raises(ADSError, match="class"):
        check_classes(classes)
