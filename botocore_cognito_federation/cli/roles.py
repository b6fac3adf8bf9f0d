"""Roles by choice: ``roles``, and what ``--role`` and ``configure --all-roles`` mean.

The login token says which roles a user may have; the identity pool gives the one that is named (CustomRoleArn). How
the pool maps claims to roles by rules is readable for its administrators only (GetIdentityPoolRoles).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ..botocore_plugin.provider import session_of_other_profile
from ..cache.base import Store
from ..config.configure import (
    Changes,
    Files,
    Request,
    check_value,
    current_values,
    make_plan,
    signs_people_in,
    write_changes,
)
from ..config.keys import PREFIX
from ..config.profiles import load_settings
from ..config.settings import Origin, Settings, profile_section
from ..errors import ConfigurationError
from ..factory import fetcher_for, store_for
from ..identity_pool.roles import OfferedRole, roles_in
from ..messages import printable, shell_command
from .app import chosen_settings, fetcher_of_profile, json_option, print_data, print_json, print_line, profile_option

if TYPE_CHECKING:
    from ..fetcher import CredentialFetcher

_FLAG = Origin("flag", "--role")


def role_option(function: Any) -> Any:
    """``--role``, for commands that use the credentials of another role than the profile's."""
    return click.option("--role", metavar="ROLE", help="Use this role of the user: its ARN, or its name in `roles`.")(
        function
    )


def fetcher_of_role(profile: str | None, role: str | None) -> tuple[Settings, CredentialFetcher]:
    """The settings that ``--profile`` names with the role that ``--role`` names, and the fetcher of its credentials.

    A helper prints the credentials of the profile's own role, so others are not stored ready to print.

    Raises:
        ConfigurationError: there is no such profile, it is wrong, or the user has no such role.
        CognitoFederationError: there is no login token to look into.
    """
    if role is None:
        return fetcher_of_profile(profile)
    settings = with_role(load_settings(profile), role)
    return settings, fetcher_for(settings, open_session=session_of_other_profile)


def offered_roles(settings: Settings) -> tuple[OfferedRole, ...]:
    """The roles that the login token names; fetches the token, and renews it where that is due.

    Raises:
        CognitoFederationError: there is no login token.
    """
    login = fetcher_for(settings, open_session=session_of_other_profile).login()
    if login is None:
        raise ConfigurationError("Guests have no roles to choose from; the pool has one role for them")
    return roles_in(login.token.claims)


def with_role(settings: Settings, role: str) -> Settings:
    """The settings with another role to request, or to assume in the basic flow.

    Args:
        settings: the configuration.
        role: an ARN, which the pool may allow even where the token does not name it, or the name of a role that the
            token names.

    Raises:
        ConfigurationError: the token names no such role, or more than one.
        CognitoFederationError: there is no login token to look into.
    """
    if settings.is_guest:
        raise ConfigurationError("Guests have no roles to choose from", remedy="Leave out --role")
    if role.startswith("arn:"):
        check_value("role_arn", role, "--role")
    else:
        role = _named(role, offered_roles(settings)).arn
    return replace(settings, role_arn=role, origins={**settings.origins, "role_arn": _FLAG})


def _named(name: str, offered: tuple[OfferedRole, ...]) -> OfferedRole:
    found = [role for role in offered if name in (role.name, role.arn.partition(":role/")[2])]
    if len(found) == 1:
        return found[0]
    if found:
        arns = " or ".join(role.arn for role in found)
        raise ConfigurationError(f"The login token names more than one role {name!r}", remedy=f"Give --role {arns}")
    named = f"names {', '.join(role.name for role in offered)}" if offered else "names no role"
    remedy = "Choose one of these" if offered else "Give the role's ARN, or ask an administrator for a group"
    raise ConfigurationError(f"{name!r} is no role of this user; the login token {named}", remedy=remedy)


def chosen_role(offered: tuple[OfferedRole, ...], given: str) -> str:
    """The ARN of the role that a person picks from a list on the terminal, or has given with the flag.

    Raises:
        ConfigurationError: the token names no such role.
        click.UsageError: none was given, and there is no terminal to ask on.
    """
    if given.startswith("arn:"):
        check_value("role_arn", given, "--role")
        return given
    if given:
        return _named(given, offered).arn
    if not offered:
        raise ConfigurationError(
            "The login token names no role to pick from",
            remedy="Give the role's ARN with --role, or ask an administrator for a group",
        )
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"Without a terminal, --role needs one of {', '.join(role.name for role in offered)}")
    for number, role in enumerate(offered, 1):
        print_line(f"{number:3} {role.arn}{'  (preferred)' if role.preferred else ''}", err=True)
    default = next((number for number, role in enumerate(offered, 1) if role.preferred), 1)
    kind = click.IntRange(1, len(offered))
    number = click.prompt("Role", type=kind, default=default, err=True)
    return offered[number - 1].arn


def write_role(settings: Settings, arn: str, store: Store) -> None:
    """Write the role into the profile, where every client finds it.

    Raises:
        ConfigurationError, StorageError: see `write_changes`.
    """
    name, files = settings.profile or "default", Files.of(os.environ)
    changes = Changes(name, settings.session or name, {f"{PREFIX}role_arn": arn}, {})
    write_changes(changes, files, store)
    print_line(f"Wrote cognito_role_arn = {arn} into [{profile_section(name)}] in {files.config}", err=True)


@click.command("roles")
@profile_option
@json_option
def roles_command(profile: str | None, as_json: bool) -> None:
    """The roles that the login token names, for --role and cognito_role_arn."""
    settings = chosen_settings(profile, None)
    offered = offered_roles(settings)
    if as_json:
        roles = [{"arn": role.arn, "claim": role.claim, "preferred": role.preferred} for role in offered]
        print_json({"roles": roles, "configured": settings.role_arn})
        return
    for role in offered:
        marks = [role.claim if role.claim not in ("cognito:roles", "cognito:preferred_role") else ""]
        marks += ["preferred" if role.preferred else "", "configured" if role.arn == settings.role_arn else ""]
        shown = ", ".join(filter(None, marks))
        print_data(f"{role.arn}{f'  ({printable(shown, 200)})' if shown else ''}")
    if not offered:
        print_line("The login token names no role; the identity pool chooses one by its own rules", err=True)


def write_role_profiles(name: str, executable: str | None) -> None:
    """Write a profile for each role that the login token names, all with one sign-in.

    Args:
        name: the profile whose sign-in or token source they share.
        executable: see `Request`.

    Raises:
        CognitoFederationError: there is no login token, it names no role, or a profile cannot be written.
    """
    settings, files = chosen_settings(name, None), Files.of(os.environ)
    offered = offered_roles(settings)
    if not offered:
        raise ConfigurationError(
            "The login token names no role, so there is no profile to write",
            remedy="Ask an administrator for a group with a role, or set cognito_role_arn",
        )
    session, shared = _shared_part(settings, files)
    store = store_for(settings, os.environ)
    names = _names_of_profiles(settings.profile or "default", offered)
    for profile, arn in names.items():
        _refuse_another(profile, {**shared, "role_arn": arn}, session, files)
    # All are planned before the first is written: one that cannot be written leaves the file as it was.
    plans = [
        make_plan(
            Request(profile, session, {**shared, "role_arn": arn}, settings.region_name, executable, _OF_THE_PROFILE),
            files,
        )
        for profile, arn in names.items()
    ]
    for plan in plans:
        write_changes(plan.changes, files, store)
        print_line(f"Wrote [{profile_section(plan.changes.profile)}]: {plan.settings.role_arn}", err=True)
    if session and settings.session is None:
        words = shell_command("cognito-federation", "login", "--session", session)
        print_line(f"These profiles share [cognito-session {session}]. Run: {words}", err=True)


_OF_THE_PROFILE = frozenset({"role_arn"})


def _refuse_another(profile: str, keys: Mapping[str, str], session: str | None, files: Files) -> None:
    """Leave a profile alone that is there and is another one: the token, which anybody may write, chose the name.

    Raises:
        ConfigurationError: it has another pool, sign-in, token source or role.
    """
    there = current_values(files, profile, None)[1]
    wanted = {"session": session, "role_arn": keys["role_arn"]} if session else keys
    if set(there) - {"region"} and any(there.get(key) != value for key, value in wanted.items()):
        raise ConfigurationError(
            f"[{profile_section(profile)}] is there already, with another pool, sign-in or role",
            remedy="Give it another name, or remove it",
        )


def _shared_part(settings: Settings, files: Files) -> tuple[str | None, Mapping[str, str]]:
    """The session of the new profiles, and the keys to write: those of a profile that has all keys itself.

    Profiles share a sign-in only through a session; a token source is named in each of them.
    """
    if settings.session is not None:
        return settings.session, {}
    name = settings.profile or "default"
    keys = {key: value for key, value in current_values(files, name, None)[1].items() if key != "region"}
    return name if signs_people_in(settings) else None, keys


def _names_of_profiles(name: str, offered: tuple[OfferedRole, ...]) -> dict[str, str]:
    """The name of the profile for each role: that of the role, with its account where two have the same name."""
    names = [role.name for role in offered]
    found: dict[str, str] = {}
    for role in offered:
        account = f"{role.arn.split(':')[4]}-" if names.count(role.name) > 1 else ""
        profile = f"{name}-{account}{re.sub(r'[^A-Za-z0-9_.+@-]', '-', role.name)}"
        found[f"{profile}-{len(found) + 1}" if profile in found else profile] = role.arn
    return found
