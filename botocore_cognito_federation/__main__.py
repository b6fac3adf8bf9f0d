"""The way in: the console scripts, and ``python -m botocore_cognito_federation``.

A plain ``credential-process`` goes by `_fast_path`, which is all that is imported when an answer is ready; so does a
plain ``status --check``, which prompts of shells run.

SDKs start a credential helper with their own environment. A ``PYTHONPATH`` that was set for another program may hold
another botocore, and an empty entry of it is the current directory. The line that `configure` writes starts Python
isolated, which ignores all of that; profiles that name the console script are served here.
"""

import sys

from ._fast_path import (
    CacheQuery,
    answer_or_wait_for_lock,
    exit_if_checked,
    fail,
    occupy_standard_streams,
    variables,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    environ = _begin()
    arguments = sys.argv[1:]
    asked = _profile_of(arguments[1:]) if arguments[:1] == ["credential-process"] else None
    if asked is None:
        if arguments[:1] == ["status"] and "--check" in arguments and not environ.get("COGNITO_FEDERATION_DEBUG"):
            _exit_if_checked(arguments[1:], environ)
        _run_site()
        _offer_callers_path_to_handlers()
        try:
            from .cli.app import main as command_line

            command_line()
        except ImportError as error:  # of what the command line itself imports; each command reports its own
            raise SystemExit(_cannot_run(error)) from None
        return
    query = CacheQuery(asked[0], environ)
    try:
        log = environ.get("COGNITO_FEDERATION_DEBUG")
        if not log:
            answer_or_wait_for_lock(query)
            from .cli.quick import answer_if_plain

            answer_if_plain(query)
        _run_site()
        _offer_callers_path_to_handlers()
        from .cli.credential_process import answer_and_end

        answer_and_end(query, log)
    except KeyboardInterrupt:
        _end_by_interrupt()
    except Exception as error:  # noqa: BLE001 - a traceback would quote values that may be secret
        # A module that cannot be imported, most of all: what comes after that reports its own failures.
        fail(query, 1, _cannot_run(error))


def docker_credential() -> None:
    """Run ``docker-credential-cognito-federation``; ends the process with its exit code."""
    _begin()
    _run_site()
    _offer_callers_path_to_handlers()
    try:
        from .cli.docker_credential import main as helper

        helper()
    except KeyboardInterrupt:
        _end_by_interrupt()
    except ImportError as error:
        raise SystemExit(_cannot_run(error)) from None


def _end_by_interrupt() -> "NoReturn":
    """End without a traceback, and without waiting for anything."""
    import os

    os._exit(130)


def _begin() -> "Mapping[str, str]":
    """Leave out what the caller's environment would change in this process; return its variables."""
    environ = variables()
    if "PYTHONPATH" in environ and not sys.flags.ignore_environment:
        _leave_out_callers_path()
    occupy_standard_streams()
    return environ


def _cannot_run(error: Exception) -> str:
    """The line of a failure before this package can report it: modules of others may be missing."""
    try:
        from ._util.installation import explanation

        words = explanation(error)
    except Exception:  # noqa: BLE001 - metadata of any kind may be damaged, and the first failure counts
        words = None
    if words is not None:
        return f"{words[0]}. {words[1]}"
    what = f"{type(error).__name__} {getattr(error, 'name', None) or ''}".strip()
    return f"botocore-cognito-federation cannot run ({what}). Install it again"


def _exit_if_checked(arguments: "list[str]", environ: "Mapping[str, str]") -> None:
    """End a plain ``status --check`` whose answer is kept."""
    arguments.remove("--check")
    asked = _profile_of(arguments)
    if asked is not None:
        exit_if_checked(CacheQuery(asked[0], environ))


def _run_site() -> None:
    """Do what Python was told to leave out at its start, by ``-S``: find the packages that are installed.

    In this process, not in another one by `os.execv`: the lock that it holds and the time at which it was asked stay
    what they are, and Windows has no such call.
    """
    if sys.flags.no_site:
        import site

        if site.ENABLE_USER_SITE is None:  # imported, as modules of Python do it, is not run
            site.main()


def _profile_of(arguments: "list[str]") -> "tuple[str | None] | None":
    """The profile of a plain ``credential-process`` call; None where there is more to it than `process` knows."""
    if not arguments:
        return (None,)
    if len(arguments) == 2 and arguments[0] == "--profile":
        return (arguments[1],)
    if len(arguments) == 1 and arguments[0].startswith("--profile="):
        return (arguments[0][10:],)
    return None


def _leave_out_callers_path() -> None:
    """Take the entries of ``PYTHONPATH`` and the current directory out of `sys.path`.

    Where this package itself was found by an absolute entry, that is how it is installed, and such entries stay.
    """
    import os
    from os.path import realpath

    own = realpath(os.path.dirname(os.path.dirname(__file__)))
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    installed_by_it = any(os.path.isabs(entry) and realpath(entry) == own for entry in entries)
    unwanted = {realpath(entry or os.curdir) for entry in entries if not (installed_by_it and os.path.isabs(entry))}
    wanted = {realpath(entry) for entry in entries if os.path.isabs(entry)} if installed_by_it else set()
    site = sys.modules.get("site")
    places = [os.path.dirname(os.__file__), *(site.getsitepackages() if site is not None else [])]
    unwanted -= {*map(realpath, places), *wanted}  # where Python finds modules without any variable
    sys.path[:] = [entry for entry in sys.path if realpath(entry or os.curdir) not in unwanted]


def _leave_out_current_directory() -> None:
    """Take the first entry out of `sys.path` that ``python -m`` puts there, unless this package is found by it."""
    import os
    from os.path import realpath

    own = realpath(os.path.dirname(os.path.dirname(__file__)))
    if sys.path and realpath(sys.path[0] or os.curdir) == realpath(os.curdir) != own:
        del sys.path[0]


def _offer_callers_path_to_handlers() -> None:
    """Let ``cognito_refresh_handler`` name a module in an absolute entry of ``PYTHONPATH``; for our own processes."""
    import os

    from ._util import path_for_handlers

    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path_for_handlers[:] = [entry for entry in entries if os.path.isabs(entry)]


if __name__ == "__main__":
    if not sys.flags.isolated:
        _leave_out_current_directory()
    main()
