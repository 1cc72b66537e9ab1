"""What a number depends on: versions, platform, processor."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import torch


def environment(device: torch.device | None = None) -> dict[str, object]:
    """What a number depends on: versions, platform, processor, threads. Plain data for `env.json`."""
    return {
        "hubel": _version("hubel"),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "numpy": _version("numpy"),
        "pillow": _version("pillow"),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device or "cpu"),
        "device_name": torch.cuda.get_device_name(device) if device and device.type == "cuda" else processor(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def processor() -> str:
    """The processor's own name, as the system tells it."""
    try:
        with open("/proc/cpuinfo") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
