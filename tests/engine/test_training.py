"""Evaluations of a config that is made for trainings."""

from helpers import tiny_config
from mmengine.hooks import EMAHook

from ads_det.engine.hooks import ProgressHook
from ads_det.engine.training import evaluation_runner


def test_an_evaluation_averages_no_weights(digits, tmp_path):
    """Those of a cycle are the averages already."""
    cfg = tiny_config(digits)
    cfg.custom_hooks = [dict(type=t) for t in ("EMAHook", EMAHook, "EmptyCacheHook")]
    runner = evaluation_runner(cfg, None, tmp_path)
    names = [type(hook).__name__ for hook in runner.hooks]
    assert "EmptyCacheHook" in names and "EMAHook" not in names
    assert any(isinstance(hook, ProgressHook) for hook in runner.hooks)
    assert len(cfg.custom_hooks) == 3  # a copy was changed
