"""Functions that put data in place before a run, for ``active_learning.prepare``."""

from ads_det.data.classification import download_cifar
from ads_det.data.synthetic import make_digits
from ads_det.registry import FUNCTIONS

FUNCTIONS.register_module(name="make_digits", module=make_digits)
FUNCTIONS.register_module(name="download_cifar", module=download_cifar)
