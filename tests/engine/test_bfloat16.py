"""A CPU whose bfloat16 ends the process: what is tried, decided, said and handed on."""

import os
import subprocess
import sys

import pytest
import torch
from helpers import build_detector, detection_batch, moved, state_of
from mmengine.config import Config

from ads_det.core.criterion import ADSCriterion
from ads_det.engine import bfloat16
from ads_det.engine.autocast import Bfloat16OptimWrapper
from ads_det.engine.phases import run_agreement
from ads_det.engine.training import prepare_bfloat16

DIES = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
DIES_UNLIMITED = f"import os\nif 'ONEDNN_MAX_CPU_ISA' not in os.environ:\n    {DIES}"
HANGS = "import time; time.sleep(60)"


@pytest.fixture
def machine(monkeypatch):
    """Set up a doubtful machine by what its child runs; returns the environment and what is said.

    The environment is a copy, so nothing here reaches oneDNN or other tests.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in (bfloat16.VERDICT, "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
    }
    said = []

    def machine(child, in_effect=True, **more):
        environment.update(more)
        monkeypatch.setattr(os, "environ", environment)
        monkeypatch.setattr(bfloat16, "CHILD", child)
        monkeypatch.setattr(bfloat16, "is_doubtful", lambda: True)
        monkeypatch.setattr(bfloat16, "say_once", said.append)
        monkeypatch.setattr(bfloat16, "_limit_is_in_effect", lambda: in_effect)
        bfloat16.ensure_bfloat16.cache_clear()
        return environment, said

    yield machine
    bfloat16.ensure_bfloat16.cache_clear()


def test_a_child_that_lives_changes_nothing(machine, tmp_path, monkeypatch):
    """The real child, without AMX on any machine, started beside a file it must not import."""
    (tmp_path / "torch.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    environment, said = machine(bfloat16.CHILD, ONEDNN_MAX_CPU_ISA="AVX2")
    assert bfloat16.ensure_bfloat16()
    assert environment[bfloat16.VERDICT] == "ok"
    assert environment["ONEDNN_MAX_CPU_ISA"] == "AVX2" and not said


def test_a_child_that_dies_with_amx_limits_onednn(machine):
    environment, said = machine(DIES_UNLIMITED)
    assert bfloat16.ensure_bfloat16() and bfloat16.ensure_bfloat16()
    assert environment[bfloat16.VERDICT] == "limited"
    assert environment["ONEDNN_MAX_CPU_ISA"] == "AVX512_CORE_BF16"
    assert len(said) == 1 and "without AMX" in said[0]


@pytest.mark.parametrize("child, in_effect", [(DIES, True), (DIES_UNLIMITED, False)])
def test_float32_where_no_limit_helps_or_it_comes_too_late(machine, child, in_effect):
    environment, said = machine(child, in_effect)
    model = build_detector()
    wrapper = Bfloat16OptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.05))
    assert environment[bfloat16.VERDICT] == "off" and "ONEDNN_MAX_CPU_ISA" not in environment
    data = model.data_preprocessor(detection_batch(), training=False)
    with wrapper.optim_context(model):
        assert not torch.is_autocast_enabled("cpu")
        feats = model.extract_feat(data["inputs"])
    feats = feats if isinstance(feats, tuple) else (feats,)
    assert {f.dtype for f in feats} == {torch.float32}
    before = state_of(model)
    batches = [detection_batch(seed=1)]
    run_agreement(model, wrapper, batches, ADSCriterion())
    assert moved(before, model)
    assert len(said) == 1 and "float32" in said[0]


def test_a_child_that_hangs_counts_as_dead(machine, monkeypatch):
    environment, _ = machine(HANGS)
    monkeypatch.setattr(bfloat16, "TIMEOUT", 0.5)
    assert not bfloat16.ensure_bfloat16()
    assert environment[bfloat16.VERDICT] == "off"


@pytest.mark.parametrize("child, works", [("", True), (DIES, False)])
@pytest.mark.parametrize("name", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_a_limit_of_the_user_stands(machine, name, child, works):
    environment, _ = machine(child, **{name: "AVX2"})
    assert bfloat16.ensure_bfloat16() == works
    assert environment[name] == "AVX2"


@pytest.mark.parametrize("verdict", ["ok", "limited", "off"])
def test_children_do_not_try_again(machine, verdict):
    environment, _ = machine(DIES, **{bfloat16.VERDICT: verdict})
    assert bfloat16.ensure_bfloat16() == (verdict != "off")
    assert environment[bfloat16.VERDICT] == verdict
    assert ("ONEDNN_MAX_CPU_ISA" in environment) == (verdict == "limited")
    # a child of that process, for which the limit was set in time
    machine(DIES, in_effect=False)
    assert bfloat16.ensure_bfloat16() == (verdict != "off")
    assert environment[bfloat16.VERDICT] == verdict


@pytest.mark.parametrize(
    ("wrapper", "known"), [("ads_det.Bfloat16OptimWrapper", True), ("AmpOptimWrapper", False)]
)
def test_it_is_settled_before_a_model_that_will_train_in_it_is_used(machine, wrapper, known):
    environment, said = machine(DIES, in_effect=False)
    prepare_bfloat16(Config(dict(optim_wrapper=dict(type=wrapper))))
    assert (environment.get(bfloat16.VERDICT) == "off") == known == bool(said)


def test_only_a_cpu_with_amx_is_doubtful(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    assert not bfloat16.is_doubtful(cpuinfo)
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16\n")
    assert not bfloat16.is_doubtful(cpuinfo)
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu amx_bf16 avx512_bf16 amx_tile\n")
    assert bfloat16.is_doubtful(cpuinfo)


@pytest.mark.slow
def test_onednn_obeys_a_limit_set_before_it_computes(tmp_path):
    """With a limit that any machine can show: SSE4.1."""
    program = f"""
import torch
from ads_det.engine import bfloat16
bfloat16.CHILD, bfloat16.LIMIT = {DIES_UNLIMITED!r}, "SSE41"
bfloat16.is_doubtful = lambda: True
print(bfloat16.ensure_bfloat16())
torch.nn.Conv2d(16, 16, 3)(torch.rand(8, 16, 64, 64))
"""
    names = (bfloat16.VERDICT, "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment | {"ONEDNN_VERBOSE": "2"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert result.returncode == 0, result.stderr
    assert "True" in result.stdout.splitlines()
    assert result.stdout.count("without AMX") == 1
    assert "isa:Intel SSE4.1" in result.stdout
