"""Places where a test can stop a process, make a write fail, or hold it, to prove that nothing is lost there.

Armed by one variable, which is no setting: ``_COGNITO_FEDERATION_FAILPOINT=name:action``, with an action ``kill``
(SIGKILL to this process), ``full`` (the disk is full), ``hold=PATH`` (wait until PATH exists). ``name@N`` waits for
the Nth time. Unarmed, a failpoint costs one comparison.
"""

from __future__ import annotations

import errno
import os
import signal
import time

VARIABLE = "_COGNITO_FEDERATION_FAILPOINT"

#: Every failpoint there is; a test that names another has a typing error.
NAMES = frozenset(
    {
        "write.begun",
        "write.written",
        "write.replaced",
        "lock.taken",
        "exchange.done",
        "credentials.kept",
        "token.obtained",
        "token.kept",
    }
)

_seen: dict[str, int] = {}


def reach(name: str) -> None:
    """Pass a failpoint.

    Raises:
        OSError: ENOSPC, where the action is ``full``.
    """
    armed = os.environ.get(VARIABLE)
    if armed is None:
        return
    where, _, action = armed.partition(":")
    where, _, count = where.partition("@")
    if where not in NAMES or name not in NAMES:
        raise ValueError(f"there is no failpoint {where!r} or {name!r}")
    if where != name:
        return
    _seen[name] = _seen.get(name, 0) + 1
    if _seen[name] != int(count or 1):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "full":
        _seen[name] -= 1  # a full disk stays full
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    elif action.startswith("hold="):
        while not os.path.exists(action[5:]):
            time.sleep(0.01)
    else:
        raise ValueError(f"a failpoint cannot {action!r}")
