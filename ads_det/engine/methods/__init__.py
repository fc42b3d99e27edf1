"""How a cycle trains: one method a file, all hooks of mmengine's Runner."""

from ads_det.engine.methods.ads import ADS
from ads_det.engine.methods.agreement_teacher import AgreementTeacher
from ads_det.engine.methods.base import Method, build_method
from ads_det.engine.methods.equal_steps import EqualSteps
from ads_det.engine.methods.ll4al import LL4AL
from ads_det.engine.methods.plain import Plain
from ads_det.engine.methods.unlabeled import UnlabeledEpochs

__all__ = [
    "ADS",
    "LL4AL",
    "AgreementTeacher",
    "EqualSteps",
    "Method",
    "Plain",
    "UnlabeledEpochs",
    "build_method",
]
