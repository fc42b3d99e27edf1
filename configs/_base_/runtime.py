# What every run shares: scope, logs, checkpoints, seed.
default_scope = "mmdet"
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0))
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=20),
    param_scheduler=dict(type="ParamSchedulerHook"),
    # To resume a training that was cut short; deleted when it is done. Two, since the older one
    # is deleted before the next is written.
    checkpoint=dict(type="CheckpointHook", interval=5, max_keep_ckpts=2),
    sampler_seed=dict(type="DistSamplerSeedHook"),
)
visualizer = dict(type="DetLocalVisualizer", vis_backends=[dict(type="LocalVisBackend")])
log_processor = dict(
    type="LogProcessor",
    window_size=20,
    # smooth what is logged in each iteration, but not the phases, which log once an epoch
    mean_pattern=r"^(?!agreement|discrepancy).*(loss|time|grad_norm)",
)
log_level = "INFO"
randomness = dict(seed=0)
