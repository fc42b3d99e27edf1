"""Data sets whose images are named by ids; ``synthetic`` draws the embedded one."""

import ads_det.registry  # noqa: F401  isort: skip  (before mmdet: it supplies the ops)
