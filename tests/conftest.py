"""Import ads_det first: it supplies the ops that mmdet looks for while it is imported."""

import logging

import pytest

import ads_det.registry  # noqa: F401  isort: skip
from helpers import tiny_config

from ads_det.active.loop import ActiveLearningLoop
from ads_det.data.synthetic import make_digits


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A VOC-format folder of 40 training and 12 test images."""
    return make_digits(tmp_path_factory.mktemp("data") / "digits", pool=40, test=12, seed=0)


@pytest.fixture(scope="session")
def finished(digits, tmp_path_factory):
    """The work directory of a whole run of three cycles; not to be changed."""
    work_dir = tmp_path_factory.mktemp("run") / "whole"
    ActiveLearningLoop(tiny_config(digits), work_dir).run()
    return work_dir


@pytest.fixture(autouse=True)
def quiet_logs():
    """mmengine logs each weight it initialises."""
    logging.getLogger("mmengine").setLevel(logging.WARNING)
