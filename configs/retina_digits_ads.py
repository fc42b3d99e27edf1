# RetinaNet with two classifiers on the embedded digits: the pattern for another detector. The small
# SSD's backbone with a feature pyramid and RetinaNet's head, three levels of 3 x 2 anchors.
_base_ = "./ssd_digits_ads.py"

# the small SSD's schedule without its prior
method = dict(images_per_epoch=320)
train_cfg = dict(max_epochs=16)
optim_wrapper = dict(optimizer=dict(lr=4e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=40),
    dict(type="CosineAnnealingLR", by_epoch=True, T_max=16, convert_to_iter_based=True),
]
model = dict(
    neck=dict(_delete_=True, type="FPN", in_channels=[32, 64, 128], out_channels=32, num_outs=3),
    bbox_head=dict(
        _delete_=True,
        type="ads_det.ADSRetinaHead",
        num_classes=10,
        in_channels=32,
        feat_channels=32,
        stacked_convs=2,
        anchor_generator=dict(
            type="AnchorGenerator",
            octave_base_scale=2,
            scales_per_octave=2,
            ratios=[0.5, 1.0, 2.0],
            strides=[8, 16, 32],
        ),
        bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
        loss_cls=dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type="L1Loss", loss_weight=1.0),
    ),
    train_cfg=dict(
        _delete_=True,
        assigner=dict(type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0),
        sampler=dict(type="PseudoSampler"),
        allowed_border=-1,
        pos_weight=-1,
    ),
)
