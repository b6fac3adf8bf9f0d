"""The way in: the console script ``cognito-federation``, and ``python -m botocore_cognito_federation``.

A plain ``credential-process`` goes by `_fast_path`, which is all that is imported when an answer is ready.

SDKs start a credential helper with their own environment. A ``PYTHONPATH`` that was set for another program may hold
another botocore, and an empty entry of it is the current directory. The line that `configure` writes starts Python with
``-I``, which ignores all of that; profiles that name the console script are served here.
"""

import os
import sys

from ._fast_path import CacheQuery, answer_or_wait_for_lock, fail, occupy_standard_streams


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    if "PYTHONPATH" in os.environ:
        _keep_callers_path_for_handlers()
    occupy_standard_streams()
    arguments = sys.argv[1:]
    asked = _profile_of(arguments[1:]) if arguments[:1] == ["credential-process"] else None
    if asked is None:
        from .cli import main as command_line

        command_line()
        return
    query = CacheQuery(asked[0], os.environ)
    try:
        log = os.environ.get("COGNITO_FEDERATION_DEBUG")
        if not log:
            answer_or_wait_for_lock(query)
        from .cli.credential_process import answer_and_end

        answer_and_end(query, log)
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as error:  # noqa: BLE001 - a traceback would quote values that may be secret
        # A module that cannot be imported, most of all: what comes after that reports its own failures.
        what = f"{type(error).__name__} {getattr(error, 'name', None) or ''}".strip()
        fail(query, 1, f"botocore-cognito-federation cannot run ({what}). Install it again")


def _profile_of(arguments: "list[str]") -> "tuple[str | None] | None":
    """The profile of a plain ``credential-process`` call; None where there is more to it than `process` knows."""
    if not arguments:
        return (None,)
    if len(arguments) == 2 and arguments[0] == "--profile":
        return (arguments[1],)
    if len(arguments) == 1 and arguments[0].startswith("--profile="):
        return (arguments[0][10:],)
    return None


def _keep_callers_path_for_handlers() -> None:
    """Import nothing by the caller's ``PYTHONPATH`` but what ``cognito_refresh_handler`` names in an absolute entry."""
    from ._util import path_for_handlers

    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path_for_handlers[:] = [entry for entry in entries if os.path.isabs(entry)]
    if not sys.flags.ignore_environment:
        _leave_out_callers_path()


def _leave_out_callers_path() -> None:
    """Take the entries of ``PYTHONPATH`` and the current directory out of `sys.path`.

    Where this package itself was found by an absolute entry, that is how it is installed, and such entries stay.
    """
    ours = _real(os.path.dirname(os.path.dirname(__file__)))
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    installed_by_it = any(os.path.isabs(entry) and _real(entry) == ours for entry in entries)
    unwanted = {_real(entry or os.curdir) for entry in entries if not (installed_by_it and os.path.isabs(entry))}
    wanted = {_real(entry) for entry in entries if os.path.isabs(entry)} if installed_by_it else set()
    unwanted -= {*_environments_own(), *wanted}
    sys.path[:] = [entry for entry in sys.path if _real(entry or os.curdir) not in unwanted]


def _leave_out_current_directory() -> None:
    """Take the first entry out of `sys.path` that ``python -m`` puts there, unless this package is found by it."""
    ours = _real(os.path.dirname(os.path.dirname(__file__)))
    if sys.path and _real(sys.path[0] or os.curdir) == _real(os.curdir) != ours:
        del sys.path[0]


def _environments_own() -> "set[str]":
    """Where Python finds modules without any variable."""
    site = sys.modules.get("site")
    places = [os.path.dirname(os.__file__), *(site.getsitepackages() if site is not None else [])]
    return {_real(place) for place in places}


def _real(path: str) -> str:
    return os.path.realpath(path)


if __name__ == "__main__":
    if not sys.flags.isolated:
        _leave_out_current_directory()
    main()
