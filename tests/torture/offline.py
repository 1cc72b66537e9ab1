"""Run pytest where the only network is the machine itself: unshare -rn python tests/torture/offline.py [WORDS ...]

A fresh network namespace has a loopback device that is switched off; the tests of downloads speak to a server of their
own on it, so it is switched on. Nothing else is there: a test that reached for the network would fail.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys

SIOCGIFFLAGS, SIOCSIFFLAGS, UP = 0x8913, 0x8914, 1


def main() -> None:
    """Switch loopback on, see that nothing else is there, become pytest."""
    if [name for _, name in socket.if_nameindex()] != ["lo"]:
        sys.exit("there are network devices here; start this with: unshare -rn")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | UP))
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])


if __name__ == "__main__":
    main()
