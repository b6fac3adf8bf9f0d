"""A guard against helpers that start themselves: the chain of profiles, in the environment of what we start.

A token command may use another profile, whose helper starts in turn. A profile that comes up twice, or a chain more
than four long, would never end (aws/aws-cli#8860).
"""

from __future__ import annotations

from collections.abc import Mapping

from .errors import ConfigurationError
from .process import CHAIN_VARIABLE as VARIABLE
from .process import FIELD as _SEPARATOR

_MOST = 4


def environment_for_children(environ: Mapping[str, str], profile: str | None) -> dict[str, str]:
    """The environment for a command that a profile starts: with the chain that now ends in this profile.

    Raises:
        ConfigurationError: the profile is in the chain already, or the chain is too long. It is refused here too,
            because every way of asking for credentials comes by here, and only some of them ask before.
    """
    refuse_a_circle(environ, profile)
    chain = _chain(environ)
    return {**environ, VARIABLE: _SEPARATOR.join((*chain, profile or "default"))}


def environment_without_chain(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a user's own program, which begins a chain of its own."""
    return {name: value for name, value in environ.items() if name != VARIABLE}


def refuse_a_circle(environ: Mapping[str, str], profile: str | None) -> None:
    """Stop before a profile is asked for credentials that it needs to find them.

    Raises:
        ConfigurationError: the profile is in the chain already, or the chain is too long.
    """
    chain = _chain(environ)
    name = profile or "default"
    shown = " -> ".join((*chain, name))
    if name in chain:
        raise ConfigurationError(
            f"Profile {name!r} needs its own credentials to get credentials ({shown})",
            remedy="Let its token command use another profile, or none",
        )
    if len(chain) >= _MOST:
        raise ConfigurationError(f"The chain of profiles is longer than {_MOST} ({shown})", remedy="Shorten it")


def _chain(environ: Mapping[str, str]) -> tuple[str, ...]:
    text = environ.get(VARIABLE, "")
    return tuple(text.split(_SEPARATOR)) if text else ()
