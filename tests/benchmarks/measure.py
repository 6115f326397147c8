"""Runs one command and prints as JSON what it took: `python measure.py SECONDS BYTES COMMAND...`.

It is a process of its own because the kernel starts a child's peak memory at its parent's: this one stays small.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from typing import IO

RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one command."""

    outcome: str
    "ok, crash or timeout"
    wall: float
    "seconds from start to end"
    cpu: float
    "seconds of all its threads, user and system"
    peak: int
    "most bytes resident at once, mapped file pages included"
    complaint: str
    "the last line that it wrote to stderr"


def measure(command: list[str], seconds: float) -> Sample:
    """Run the command to its end, or for that many seconds."""
    with tempfile.TemporaryFile() as stderr:
        started = time.perf_counter()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr
        )  # that is its task
        alarm = threading.Timer(seconds, child.kill)
        alarm.start()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        alarm.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        complaint = _last_line(stderr)
    outcome = "timeout" if wall >= seconds else "crash" if child.returncode else "ok"
    return Sample(outcome, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * RSS_UNIT, complaint)


def _last_line(stderr: IO[bytes]) -> str:
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - 1000))
    lines = stderr.read().decode(errors="replace").splitlines()
    return lines[-1] if lines else ""


def main() -> None:
    """Limit the memory of what this process starts, measure it, and print the sample."""
    seconds, memory, *command = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    sys.stdout.write(json.dumps(asdict(measure(command, float(seconds)))))


if __name__ == "__main__":
    main()
