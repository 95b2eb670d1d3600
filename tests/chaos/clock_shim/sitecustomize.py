"""A wrong clock for one bank's process, without a line in the product that knows of it.

``scripts/chaos`` puts this folder on PYTHONPATH, so that Python imports this module before anything else. A process
whose working directory holds the file ``chaos-clock`` sees the machine's time plus the offset in that file (one IEEE
double, in seconds), which may change at any moment: the file is mapped into memory. Monotonic time stays as it is.
"""

import mmap
import os
import struct
import time

FILE = "chaos-clock"


def _install(path: str) -> None:
    with open(path, "rb") as file:
        shared = mmap.mmap(file.fileno(), struct.calcsize("d"), access=mmap.ACCESS_READ)
    machine_time, machine_time_ns = time.time, time.time_ns

    def offset_s() -> float:
        return float(struct.unpack_from("d", shared)[0])

    time.time = lambda: machine_time() + offset_s()
    time.time_ns = lambda: machine_time_ns() + int(offset_s() * 1e9)


if os.path.exists(FILE):
    _install(os.path.abspath(FILE))
