# RTMDet with two classifiers on blood cells: its head and assigner on the small SSD's backbone.
_base_ = "./ssd_small_bccd_ads.py"

model = dict(
    neck=dict(_delete_=True, type="FPN", in_channels=[32, 64, 128], out_channels=32, num_outs=3),
    bbox_head=dict(
        _delete_=True,
        type="ads_det.ADSRTMDetSepBNHead",
        num_classes=3,
        in_channels=32,
        feat_channels=32,
        stacked_convs=2,
        anchor_generator=dict(type="MlvlPointGenerator", offset=0, strides=[8, 16, 32]),
        bbox_coder=dict(type="DistancePointBBoxCoder"),
        loss_cls=dict(type="QualityFocalLoss", use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_bbox=dict(type="GIoULoss", loss_weight=2.0),
        with_objectness=False,
        exp_on_reg=False,
        share_conv=True,
        pred_kernel_size=1,
        norm_cfg=dict(type="BN"),
        act_cfg=dict(type="SiLU", inplace=True),
    ),
    train_cfg=dict(
        _delete_=True,
        assigner=dict(type="DynamicSoftLabelAssigner", topk=13),
        allowed_border=-1,
        pos_weight=-1,
        debug=False,
    ),
)
