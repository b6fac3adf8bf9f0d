"""Keep the Python variables of whoever starts the helper out of it.

SDKs start a credential helper with their own environment. A ``PYTHONPATH`` that was set for another program may hold
another botocore, and an empty entry of it is the current directory. The line that `configure` writes starts Python with
``-I``, which ignores all of that; this module is for profiles that name the console script.
"""

import os
import sys

#: Where a refresh handler is looked for too, after everything else: what it imports is the user's own choice.
for_handlers: "list[str]" = []


def leave_out_callers_path() -> None:
    """Take the entries of ``PYTHONPATH`` and the current directory out of `sys.path`.

    Where this package itself was found by an absolute entry, that is how it is installed, and such entries stay.
    """
    ours = _real(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    installed_by_it = any(os.path.isabs(entry) and _real(entry) == ours for entry in entries)
    unwanted = {_real(entry or os.curdir) for entry in entries if not (installed_by_it and os.path.isabs(entry))}
    wanted = {_real(entry) for entry in entries if os.path.isabs(entry)} if installed_by_it else set()
    unwanted -= {*_environments_own(), *wanted}
    sys.path[:] = [entry for entry in sys.path if _real(entry or os.curdir) not in unwanted]


def leave_out_current_directory() -> None:
    """Take the first entry out of `sys.path` that ``python -m`` puts there, unless this package is found by it."""
    ours = _real(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
    if sys.path and _real(sys.path[0] or os.curdir) == _real(os.curdir) != ours:
        del sys.path[0]


def offer_callers_path_to_handlers() -> None:
    """Let ``cognito_refresh_handler`` name a module in an absolute entry of ``PYTHONPATH``; for our own processes."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    for_handlers[:] = [entry for entry in entries if os.path.isabs(entry)]


def _environments_own() -> "set[str]":
    """Where Python finds modules without any variable."""
    site = sys.modules.get("site")
    places = [os.path.dirname(os.__file__), *(site.getsitepackages() if site is not None else [])]
    return {_real(place) for place in places}


def _real(path: str) -> str:
    return os.path.realpath(path)
