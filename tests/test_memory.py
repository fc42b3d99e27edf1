import subprocess
import sys

import pytest

from ads_det.memory import keep_freed_memory

PROGRAM = """
import resource, sys
import numpy as np
from ads_det.memory import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
def step():
    blocks = [np.ones(2 * 2**20) for _ in range(4)]  # 16 MiB each
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], stdout=subprocess.PIPE, text=True)
    if done.returncode == 3:
        pytest.skip("this C library has no mallopt")
    return int(done.stdout)


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_settings_of_the_user_stand(monkeypatch, name):
    monkeypatch.setenv(name, "0")
    assert not keep_freed_memory()


def test_pages_of_a_step_are_those_of_the_step_before():
    kept, given_back = faults("keep"), faults("as it is")
    assert kept < 1000 < given_back
