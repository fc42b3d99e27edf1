"""Import ads_det first: it supplies the ops that mmdet looks for while it is imported."""

import logging

import pytest

import ads_det.registry  # noqa: F401
from ads_det.data.synthetic import make_digits


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A VOC-format folder of 40 training and 12 test images."""
    return make_digits(tmp_path_factory.mktemp("data") / "digits", pool=40, test=12, seed=0)


@pytest.fixture(autouse=True)
def quiet_logs():
    """mmengine logs each weight it initialises."""
    logging.getLogger("mmengine").setLevel(logging.WARNING)
