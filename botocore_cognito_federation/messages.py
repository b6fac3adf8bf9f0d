"""What others have said or configured, made safe to show."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config.settings import Settings


def printable(text: str, limit: int) -> str:
    """Text of another party made safe to show: printable characters only, one line, at most `limit` characters."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def shown_url(url: str) -> str:
    """A URL that somebody configured, without what may be secret in it: a name and password, and the query."""
    return re.sub(r"(?<=//)[^/]*@", "", url.partition("?")[0])


def span(seconds: float) -> str:
    """A span as a person says it: seconds up to two minutes, minutes up to two hours, hours, days."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{round(whole / 60)} min"
    return f"{round(whole / 3600)} h" if whole < 172_800 else f"{round(whole / 86_400)} days"


_LOGIN = "cognito-federation login"
#: What parts say that know no configuration; see `naming_login`.
SIGN_IN_AGAIN = f"Sign in again: {_LOGIN}"


def shell_command(*words: str) -> str:
    """A command as it can be pasted into a shell: names of profiles may hold spaces and quotes."""
    return shlex.join(words)


def run_with_profile(profile: str, *words: str) -> str:
    """The remedy that is a command of ours for a profile."""
    return f"Run: {shell_command('cognito-federation', *words, '--profile', profile)}"


def login_command(settings: Settings) -> str:
    """The command that signs in for a configuration."""
    if settings.profile is None and settings.session is not None:
        return shell_command("cognito-federation", "login", "--session", settings.session)
    return shell_command("cognito-federation", "login", "--profile", settings.profile or "default")


def naming_login(remedy: str, command: str) -> str:
    """A remedy of a part that knows no configuration, with the command that signs in for one in it."""
    general = remedy.replace(SIGN_IN_AGAIN, f"Run: {_LOGIN}")
    return re.sub(rf"\b{_LOGIN}\b(?! --)", lambda _: command, general)


def of_an_application(settings: Settings) -> bool:
    """Whether the configuration was made by an application, which has arguments and no profile with keys."""
    return not settings.origins


def in_arguments(remedy: str) -> str:
    """A remedy that names keys, for an application: its arguments have the names of the keys without their prefix."""
    return re.sub(r"\bcognito_(\w+)", r"\1", remedy)


def said_to(settings: Settings, remedy: str) -> str:
    """A remedy in the words of whoever made the configuration."""
    return in_arguments(remedy) if of_an_application(settings) else remedy
