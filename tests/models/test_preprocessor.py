"""Batches of boxes before the model."""

import torch
from mmdet.models import DetDataPreprocessor as MMDetDataPreprocessor
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from ads_det.models import DetDataPreprocessor

ARGS = dict(mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=True, pad_size_divisor=32)


def batch():
    sample = DetDataSample(metainfo=dict(img_shape=(30, 40)))
    sample.gt_instances = InstanceData(bboxes=torch.ones(2, 4), labels=torch.zeros(2).long())
    images = torch.randint(0, 256, (3, 30, 40), generator=torch.Generator().manual_seed(0))
    return dict(inputs=[images.byte()], data_samples=[sample])


def test_on_a_cpu_it_gives_what_mmdet_gives_without_a_copy():
    given, to_ours = batch(), DetDataPreprocessor(**ARGS)
    to_ours(given, training=True)
    ours = to_ours(given, training=True)  # the first time left the batch as it was
    theirs = MMDetDataPreprocessor(**ARGS)(batch(), training=True)
    assert torch.equal(ours["inputs"], theirs["inputs"]) and ours["inputs"].shape[-2:] == (32, 64)
    assert ours["data_samples"][0] is given["data_samples"][0]
    assert ours["data_samples"][0].metainfo == theirs["data_samples"][0].metainfo


def test_elsewhere_it_moves_them():
    to_meta = DetDataPreprocessor(**ARGS).to("meta")
    assert to_meta.device.type == "meta"
    moved = to_meta.cast_data(batch())
    assert moved["data_samples"][0].gt_instances.bboxes.device.type == "meta"
