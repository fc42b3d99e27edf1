"""Child registries: configs write ``type='ads_det.EpochSeedHook'`` under any default scope.

Importing this module also checks the OpenMMLab stack and supplies missing ``mmcv.ops``, since
everything that touches mmdet comes through here.
"""

from ads_det import compat

compat.check_stack()
compat.install_ops()

from mmengine import registry as root  # noqa: E402
from mmengine.registry import Registry  # noqa: E402


def _child(name: str, parent: Registry, *locations: str) -> Registry:
    return Registry(name, parent=parent, scope="ads_det", locations=list(locations))


_DETECTION_DATA = ("ads_det.data.voc", "ads_det.data.coco", "ads_det.data.image_folder")
_CLASSIFICATION_DATA = "ads_det.data.classification"

MODELS = _child("model", root.MODELS, "ads_det.models")
DATASETS = _child(
    *("dataset", root.DATASETS, *_DETECTION_DATA, _CLASSIFICATION_DATA),
    "ads_det.data.class_folders",
)
TRANSFORMS = _child(
    "transform", root.TRANSFORMS, "ads_det.data.load_resized", "ads_det.data.random_affine"
)
DATA_SAMPLERS = _child("data sampler", root.DATA_SAMPLERS, "ads_det.data.samplers")
HOOKS = _child("hook", root.HOOKS, "ads_det.engine.hooks")
OPTIM_WRAPPERS = _child("optimizer wrapper", root.OPTIM_WRAPPERS, "ads_det.engine.autocast")
PARAM_SCHEDULERS = _child("parameter scheduler", root.PARAM_SCHEDULERS, "ads_det.engine.schedulers")
METRICS = _child("metric", root.METRICS, "ads_det.engine.metrics")
FUNCTIONS = _child(
    *("function", root.FUNCTIONS, "ads_det.engine.seeding", "ads_det.data.prepare"),
    _CLASSIFICATION_DATA,
)
STRATEGIES = Registry("strategy", scope="ads_det", locations=["ads_det.active.strategies"])
METHODS = Registry("method", scope="ads_det", locations=["ads_det.engine.methods"])
