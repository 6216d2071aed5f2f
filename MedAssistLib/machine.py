"""How much main memory this machine can still give, without another package."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path


def free_memory() -> int:
    """Return the bytes that programs can still have; 0 where the system does not say."""
    if sys.platform == "win32":
        return _of_windows()
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)
    except (OSError, StopIteration):
        pass
    try:  # macOS says only how much there is in all.
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


class _Status(ctypes.Structure):
    """``MEMORYSTATUSEX`` of Windows."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        *((f"field_{number}", ctypes.c_uint64) for number in range(7)),
    )


def _of_windows() -> int:
    status = _Status(length=ctypes.sizeof(_Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined,unused-ignore]
    return int(status.field_1)  # physical memory that is free
