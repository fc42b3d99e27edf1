# What every run shares: scope, logs, checkpoints, seed.
default_scope = "mmdet"
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0))
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=20),
    param_scheduler=dict(type="ParamSchedulerHook"),
    # one checkpoint to resume a training that was cut short; deleted when it is done
    checkpoint=dict(type="CheckpointHook", interval=5, max_keep_ckpts=1),
    sampler_seed=dict(type="DistSamplerSeedHook"),
)
visualizer = dict(type="DetLocalVisualizer", vis_backends=[dict(type="LocalVisBackend")])
log_processor = dict(type="LogProcessor", window_size=20, by_epoch=True)
log_level = "INFO"
randomness = dict(seed=0)
