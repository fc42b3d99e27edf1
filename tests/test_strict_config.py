"""Seeded slips in valid configs: each ends in one sentence, or changes nothing that is read; wrong
values are cases of test_fuzz.py."""

import copy
import random
import time

import pytest
import torch
from fuzz_cases import CONFIG_NAMES, check, refusal, slip
from helpers import CONFIGS
from mmengine.config import Config

from ads_det.active.settings import load_config
from ads_det.engine.stored_config import import_modules, read_config, write_config
from ads_det.errors import ADSError

# blocks that are read by names of which nobody has a list
FREE = (
    "model.train_cfg",
    "model.test_cfg",
    "metainfo",
    "mp_cfg",
    "dist_cfg",
    "nms",
    "default_hooks",
)


@pytest.fixture(scope="module", params=CONFIG_NAMES)
def cfg(request):
    return load_config(CONFIGS / request.param)


def test_valid_configs_pass_and_leave_no_trace(cfg):
    state = torch.get_rng_state()
    before = copy.deepcopy(cfg.to_dict())
    check(before)  # imports
    start = time.process_time()
    check(before)
    assert time.process_time() - start < 1.5
    assert torch.equal(state, torch.get_rng_state()) and cfg.to_dict() == before


def test_misspelt_keys_are_refused(cfg):
    generator = random.Random(0)
    passed = []
    for _ in range(50):
        content, path = slip(cfg.to_dict(), generator, value=False)
        dotted = ".".join(map(str, path[:-1]))
        is_free = dotted.startswith(FREE) or dotted.split(".")[-1] in FREE
        if not is_free and content != cfg.to_dict() and refusal(check, content) is None:
            passed.append(".".join(map(str, path)))
    assert not passed


@pytest.mark.parametrize(
    "options, message",
    [
        ({"adss.tau": 9}, "has no 'adss'"),
        ({"train_dataloder.batch_size": 2}, "nearest is 'train_dataloader'"),
        ({"train_dataloader.num_worker": 0}, "'num_workers'"),
        ({"model.test_cfg.score_th": 0.1}, "'score_thr'"),
        ({"default_scope": "mmdett"}, "default_scope is 'mmdett'"),
        ({"randomness.seed": -1}, "randomness.seed is -1"),
        ({"train_dataloader.sampler.num_sample": 3}, "train_dataloader.sampler.num_sample"),
        ({"optim_wrapper.optimizer.momentumm": 1}, "optim_wrapper.optimizer.momentumm"),
        ({"model.backbone.dept": 18}, "model.backbone.dept.*nearest is 'depth'"),
        ({"train_dataloader.dataset.pipeline.2.scal": 1}, r"dataset.pipeline\[2\].scal"),
        ({"optim_wrapper.clip_grad": {"max_nom": 1}}, "optim_wrapper.clip_grad.max_nom"),
        ({"default_hooks.checkpoint.max_keep_ckpt": 1}, "default_hooks.checkpoint.max_keep_ckpt"),
        ({"model.neck.init_cfg.type": "Xavie"}, "model.neck.init_cfg.type is 'Xavie'"),
        ({"active_learning.prepare.poolx": 3}, "active_learning.prepare.poolx"),
    ],
)
def test_the_sentence_names_the_key(options, message):
    with pytest.raises(ADSError, match=message):
        check(load_config(CONFIGS / CONFIG_NAMES[0], options).to_dict())


def test_a_misspelt_block_of_a_file_is_refused_and_a_variable_is_not(tmp_path):
    path = tmp_path / "own.py"
    head = f"_base_ = {str(CONFIGS / CONFIG_NAMES[0])!r}\n"
    path.write_text(f"{head}train_pipelines = [3]\nimg_scale = (1, 2)\nval_evaluator_full = 3\n")
    load_config(path)
    path.write_text(f"{head}train_dataloder = dict(batch_size=2)\n")
    with pytest.raises(ADSError, match="'train_dataloder'.*write 'train_dataloader'"):
        load_config(path)


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_yaml_tags_run_nothing(tmp_path, suffix):
    path, mark = tmp_path / f"own.{suffix}", tmp_path / "mark"
    path.write_text(f"a: !!python/object/apply:os.system ['touch {mark}']\n")
    with pytest.raises(ADSError, match="cannot be read"):
        load_config(path)
    assert not mark.exists()


def test_a_stored_config_comes_back_as_it_was(cfg, tmp_path):
    path = tmp_path / "config.json"
    cfg = copy.deepcopy(cfg)
    cfg.pool.metainfo = dict(classes=("{{ $HOME:x }}", "{{fileDirname}}", 'a\\{{{b"', "é\n"))
    write_config(path, cfg)
    assert read_config(path).to_dict() == cfg.to_dict() == load_config(path).to_dict()


STORED = dict(model={}, active_learning=dict(cycles=1), test_dataloader=dict(dataset={}))


def test_classes_and_keys_of_any_kind_are_kept(tmp_path):
    path = tmp_path / "config.json"
    content = dict(STORED, sizes={1: "a", (2, 3): [dict(x=1)], None: (4,)})
    content["kinds"] = [random.Random, copy.deepcopy]
    write_config(path, Config(content))
    kinds = ["random.Random", "copy.deepcopy"]
    assert read_config(path).to_dict() == dict(content, kinds=kinds)


def test_what_is_no_plain_data_is_not_kept(tmp_path):
    with pytest.raises(ADSError, match=r"model.weights\[1\] is .*, which is no plain data"):
        write_config(tmp_path / "config.json", Config(dict(model=dict(weights=[1, object()]))))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("items", ["[3]", "[[[], 1]]", '["abc"]'])
def test_a_stored_table_whose_items_are_none(tmp_path, items):
    path, inner = tmp_path / "config.json", "inner"
    write_config(path, Config(dict(STORED, pool=dict(a=inner))))
    path.write_text(path.read_text().replace(f'"{inner}"', f'{{"__items__": {items}}}'))
    with pytest.raises(ADSError, match=r"config.json .*`__items__` is no list of keys and values"):
        read_config(path)


@pytest.mark.parametrize("depth", [500, 950])
def test_a_stored_config_nested_too_deep(tmp_path, depth):
    """JSON is read to about twice the depth that a config can have."""
    path, inner = tmp_path / "config.json", "inner"
    write_config(path, Config(dict(STORED, pool=dict(a=inner))))
    deep = '{"a": ' * depth + "1" + "}" * depth
    path.write_text(path.read_text().replace(f'"{inner}"', deep))
    with pytest.raises(ADSError, match=r"config.json .*(nested too deep|recursion depth exceeded)"):
        read_config(path)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("json", "is 'json'; write dict"),
        (dict(imports=3), "is .*; write dict"),
        (dict(imports=["json", ""]), "is .*; write dict"),
        (dict(imports=["json"], allow=True), "is .*; write dict"),
        (dict(imports=["json"], allow_failed_imports="no"), "is .*; write dict"),
        (dict(imports="json.nothing"), "imports 'json.nothing' .custom_imports., which fails"),
        (dict(imports=["own_broken"], allow_failed_imports=True), "which fails .it is broken"),
        (dict(imports=["nothing_such", "json"], allow_failed_imports=True), None),
        (dict(imports="json"), None),
        (None, None),
    ],
)
def test_imports_of_a_config(block, message, tmp_path, monkeypatch):
    (tmp_path / "own_broken.py").write_text("raise ValueError('it is\\nbroken')\n")
    monkeypatch.syspath_prepend(tmp_path)
    cfg = Config(dict(custom_imports=block))
    if message is None:
        import_modules(cfg, "own.py")
    else:
        with pytest.raises(ADSError, match=message):
            import_modules(cfg, "own.py")


@pytest.mark.parametrize("kind", ["os.system", "torch.load", "__import__('os')"])
def test_a_stored_config_names_only_registered_types(cfg, tmp_path, kind):
    path = tmp_path / "config.json"
    changed = Config(copy.deepcopy(cfg.to_dict()), format_python_code=False)
    changed.pool.type = kind
    write_config(path, changed)
    with pytest.raises(ADSError, match="pool.type"):
        read_config(path)
