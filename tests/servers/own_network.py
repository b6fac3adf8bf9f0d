"""A separate network: only loopback, which also has the address of AWS's metadata service.

Some clients know no other address of that service than 169.254.169.254. It must never be used on the machine's own
network, so such tests run in a network namespace of Linux, which only root can create. Files of the system, such as
``/etc/hosts``, can have another content there.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

METADATA_ADDRESS = "169.254.169.254"
_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_NONE: Mapping[str, Path] = MappingProxyType({})
_Result = TypeVar("_Result")


def is_possible() -> bool:
    """Return whether this process may create one."""
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("ip") is not None


def run_in_own_network(function: Callable[[], _Result], files: Mapping[str, Path] = _NONE) -> _Result:
    """Run a function in a thread whose sockets, threads and child processes have a separate network.

    Args:
        function: what runs there.
        files: for files of the system, the file whose content they have there.

    Raises:
        OSError: the system does not allow it.
    """
    results: list[_Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET | (_CLONE_NEWNS if files else 0)) != 0:
                raise OSError(ctypes.get_errno(), "a namespace was refused")
            if files:
                _command("mount", "--make-rprivate", "/")
            for path, content in files.items():
                _command("mount", "--bind", str(content), path)
            for command in ("link set lo up", f"addr add {METADATA_ADDRESS}/32 dev lo"):
                _command("ip", *command.split())
            results.append(function())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _command(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
