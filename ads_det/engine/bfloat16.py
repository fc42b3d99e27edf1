"""Whether this machine computes in bfloat16, tried in another process.

In some virtual machines oneDNN uses AMX, and the first backward pass ends the process by SIGILL.
That cannot be caught, so a child tries it; where it dies, a second one tries without AMX.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import torch

from ads_det.console import say_once

VERDICT = "ADS_DET_BFLOAT16"  # for children and ranks: one of the next three
OK, LIMITED, OFF = "ok", "limited", "off"
LIMIT = "AVX512_CORE_BF16"  # the most that oneDNN has without AMX and float16
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # oneDNN reads both names
TIMEOUT = 120  # seconds; a child that hangs counts as dead

# cwd is "/" and the empty entry goes: no file of the user's folder is imported
CHILD = """
import sys
sys.path = [p for p in sys.path if p] + sys.argv[1:]
import resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import torch
from torch import nn
for layout in (torch.contiguous_format, torch.channels_last):
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3),
        nn.Conv2d(16, 32, 3, stride=2), nn.Conv2d(32, 64, 1), nn.Flatten(), nn.Linear(3136, 64),
    ).to(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16):
        loss = net(torch.rand(8, 3, 17, 17).to(memory_format=layout)).float().sum()
    loss.backward()
"""


@functools.cache
def ensure_bfloat16() -> bool:
    """Find out whether bfloat16 can be used on this CPU, limiting oneDNN if that is what it takes.

    To be called before anything is computed: oneDNN reads its limit once. Children inherit the
    answer; the user hears of it unless all is well.

    Returns:
        Whether autocast to bfloat16 may be enabled on the CPU; float32 is to be used otherwise.
    """
    verdict = os.environ.get(VERDICT)
    if verdict not in (OK, LIMITED, OFF):
        verdict = _try() if is_doubtful() else OK
    if verdict == LIMITED and not _limit_onednn():
        verdict = OFF
    os.environ[VERDICT] = verdict
    if verdict == LIMITED:
        say_once(f"AMX ends a process here: bfloat16 without AMX is used ({_LIMITS[0]}={LIMIT}).")
    elif verdict == OFF:
        say_once(
            f"bfloat16 is not used on this CPU, where it could end the process ({VERDICT}=off): "
            "float32 is used instead."
        )
    return verdict != OFF


def is_doubtful(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether bfloat16 has to be tried: no fault is known of CPUs that report no AMX.

    Args:
        cpuinfo: Linux's description of the CPUs; without it the answer is no.
    """
    try:
        return "amx_bf16" in cpuinfo.read_text(errors="replace").split()
    except OSError:
        return False


def _try() -> str:
    if _child_lives(dict(os.environ)):
        return OK
    if any(name in os.environ for name in _LIMITS):  # the user's choice stands
        return OFF
    return LIMITED if _child_lives(os.environ | {_LIMITS[0]: LIMIT}) else OFF


def _child_lives(environment: dict[str, str]) -> bool:
    try:
        child = subprocess.run(
            [sys.executable, "-c", CHILD, str(Path(torch.__file__).parents[1])],
            cwd="/",
            env=environment | {"CUDA_VISIBLE_DEVICES": ""},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return child.returncode == 0


def _limit_onednn() -> bool:
    """Whether oneDNN obeys the limit, here and in children; it does where it was set at start."""
    if _LIMITS[0] in os.environ:
        return True
    os.environ[_LIMITS[0]] = LIMIT
    if not _limit_is_in_effect():
        del os.environ[_LIMITS[0]]
    return _LIMITS[0] in os.environ


def _limit_is_in_effect() -> bool:
    # float16: every CPU with AMX has it, the limit forbids it; asking makes oneDNN read the limit
    asked = getattr(torch.ops.mkldnn, "_is_mkldnn_fp16_supported", None)
    return asked is not None and not asked()
