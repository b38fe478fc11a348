"""Workers are forked, which takes a process in which nothing runs yet."""

import subprocess
import sys


def test_what_serves_runs_nothing_when_it_is_loaded() -> None:
    program = "import threading, proxy.cli.serve; print(threading.active_count())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
