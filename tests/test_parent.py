"""A process whose parent has ended before it could ask to be told so."""

import os
import signal
import subprocess
import sys

from ads_det.parent import PARENT


def test_a_process_of_a_parent_that_is_gone_ends_at_once():
    gone = subprocess.Popen(["true"])
    gone.wait()
    code = "from ads_det.parent import end_with_parent; end_with_parent(); print('went on')"
    for parent, status in ((gone.pid, 128 + signal.SIGKILL), (os.getpid(), 0)):
        child = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {PARENT: str(parent)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.returncode == status
        assert child.stdout == ("went on\n" if status == 0 else "")
