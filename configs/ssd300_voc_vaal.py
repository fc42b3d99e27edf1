# Baseline: plain SSD300, images chosen by VAAL. VAAL itself has no detection; image size and z are
# CALD's (Yu et al., CVPR 2022), whose published code has it. strategy.type=ads_det.SRAAL is SRAAL.
_base_ = "./ssd300_voc_random.py"

active_learning = dict(
    strategy=dict(_delete_=True, type="ads_det.VAAL", preset="kl_mean", size=256, z_dim=256)
)
