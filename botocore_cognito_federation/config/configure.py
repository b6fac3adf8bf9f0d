"""What ``configure`` asks for, checks and writes: a profile, its sign-in and its ``credential_process``."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .._fast_path import expanded
from .._util.http import HttpClient
from ..cache.base import Store
from ..errors import ConfigurationError
from ..identity_providers import IdentityProvider
from ..oidc.authorization import loopback_redirect, redirect_uri_of_its_own
from ..oidc.discovery import StoredDocuments, discover
from .helper_line import helper_command, starts_this_program
from .keys import KEYS, PREFIX, SESSION_SECTION, TOKEN_SOURCES, BadValue
from .loader import Layers, read_config, read_sections, resolve
from .settings import Settings, profile_section
from .writer import update_text, with_section

#: The regions of every partition: ``us-east-1``, ``us-gov-west-1``, ``eusc-de-east-1``.
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d+\Z")


#: Keys by which botocore gets a profile's credentials in another way; this tool's would be ignored, or theirs.
_OTHER_STYLES = {
    "aws_access_key_id": "static keys",
    "aws_secret_access_key": "static keys",
    "aws_session_token": "static keys",
    "role_arn": "a role to assume",
    "source_profile": "a role to assume",
    "credential_source": "a role to assume",
    "web_identity_token_file": "a web identity",
    "sso_session": "IAM Identity Center",
    "sso_start_url": "IAM Identity Center",
    "sso_account_id": "IAM Identity Center",
    "sso_role_name": "IAM Identity Center",
    "sso_region": "IAM Identity Center",
    "login_session": "aws login",
}


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        profile: the profile to write.
        session: the ``[cognito-session]`` to write; None for the profile's own so far, or else no section: the keys
            are written into the profile.
        keys: names without prefix -> text; what is not named stays as it is.
        region: of the profile; None for the one so far, else the pool's.
        executable: the program for ``credential_process``; None to find it.
        own_keys: of `keys`, those of the profile itself, where the others go into the session.
    """

    profile: str
    session: str | None
    keys: Mapping[str, str]
    region: str | None = None
    executable: str | None = None
    own_keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Files:
    """The files in question.

    Attributes:
        config: ``~/.aws/config``.
        credentials: ``~/.aws/credentials``, which is only read.
    """

    config: str
    credentials: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Files:
        """Where botocore looks."""

        def at(variable: str, name: str) -> str:
            return expanded(environ.get(variable) or os.path.join("~", ".aws", name))

        return cls(at("AWS_CONFIG_FILE", "config"), at("AWS_SHARED_CREDENTIALS_FILE", "credentials"))


@dataclass(frozen=True)
class Changes:
    """What will stand in the file.

    Attributes:
        profile_changes: key -> value of the profile's section.
        session_changes: key -> value of the session's section.
    """

    profile: str
    session: str
    profile_changes: Mapping[str, str]
    session_changes: Mapping[str, str]

    def refuse(self, config: Mapping[str, Any], files: Files) -> None:
        """Leave alone a profile that gets its credentials in another way."""
        refuse_other_styles(self.profile, section_of(config["profiles"], self.profile), files)

    def applied(self, text: str) -> str:
        """The text of the file with the changes in it."""
        text = with_section(text, SESSION_SECTION + self.session, self.session_changes)
        return with_section(text, profile_section(self.profile), self.profile_changes)

    def expected(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """What botocore has to read in the changed file, where it read `config` before."""
        title = SESSION_SECTION + self.session
        profiles = config["profiles"]
        return {
            **config,
            **({title: {**section_of(config, title), **self.session_changes}} if self._has_session(config) else {}),
            "profiles": {**profiles, self.profile: {**section_of(profiles, self.profile), **self.profile_changes}},
        }

    def _has_session(self, config: Mapping[str, Any]) -> bool:
        """A section without a key to set is not made."""
        return bool(self.session_changes) or SESSION_SECTION + self.session in config


@dataclass(frozen=True)
class Plan:
    """The changes, and the settings they will amount to."""

    changes: Changes
    settings: Settings


def current_values(files: Files, profile: str, session: str | None) -> tuple[str, dict[str, str]]:
    """The session's name, and the keys (without prefix) that the profile and it have so far.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    config = read_config(files.config)
    own = texts_of(section_of(config["profiles"], profile))
    name = session or own.get("cognito_session") or profile
    values = {**texts_of(section_of(config, SESSION_SECTION + name)), **own}
    own_keys = {key[len(PREFIX) :]: value for key, value in values.items() if key.startswith(PREFIX)}
    return name, {**own_keys, "region": own["region"]} if "region" in own else own_keys


def make_plan(request: Request, files: Files) -> Plan:
    """Decide what to write.

    Raises:
        ConfigurationError: no AWS tool can read the file, the profile has another credential style, a value does not
            fit its key, the keys make no configuration, or there is no program for ``credential_process``.
    """
    config = read_config(files.config)
    own = section_of(config["profiles"], request.profile)
    refuse_other_styles(request.profile, own, files)
    session = request.session or str(own.get("cognito_session") or request.profile)
    check_name(session)
    for name, value in request.keys.items():
        check_value(name, value)
    # A section is written only for profiles that share a sign-in: the AWS SDK for Rust warns about each line of a
    # section of a type that it does not know. A session of the profile's name that is there stays in use.
    has_own_keys = any(key.startswith(PREFIX) for key in own)
    is_flat = not request.session and "cognito_session" not in own
    is_flat = is_flat and (has_own_keys or SESSION_SECTION + session not in config)
    # A key that stands in the profile itself wins over the session's: it is changed where it is.
    in_profile = {name for name in request.keys if is_flat or PREFIX + name in own or name in request.own_keys}
    profile_changes = {PREFIX + name: request.keys[name] for name in request.keys if name in in_profile}
    session_changes = {PREFIX + name: request.keys[name] for name in request.keys if name not in in_profile}
    shared = section_of(config, SESSION_SECTION + session)
    pool = request.keys.get("identity_pool_id") or str({**own, **shared}.get("cognito_identity_pool_id", ""))
    region = request.region or ("" if own.get("region") else pool.partition(":")[0])
    if region:
        check_region(region, "region")
        profile_changes["region"] = region
    if not is_flat:
        profile_changes["cognito_session"] = session
    profile_changes["credential_process"] = helper_command(request.profile, request.executable)
    changes = Changes(request.profile, session, profile_changes, session_changes)
    settings = _settings_of(changes, config, files)
    is_new = not any(key.startswith(PREFIX) for key in {*own, *shared})
    if is_new and not request.own_keys and settings.provider is not None and _needs_redirect_uri_of_its_own(settings):
        keys = profile_changes if is_flat else session_changes
        keys[f"{PREFIX}redirect_uri"] = redirect_uri_of_its_own(settings.provider)
        settings = _settings_of(changes, config, files)
    return Plan(changes, settings)


def _settings_of(changes: Changes, config: Mapping[str, Any], files: Files) -> Settings:
    return resolve(Layers(changes.profile, changes.expected(config), files.config, {}, {}))


def _needs_redirect_uri_of_its_own(settings: Settings) -> bool:
    """Whether people sign in by a redirect, and none is configured. Old profiles keep what is registered for them."""
    return signs_people_in(settings) and not settings.signs_in_to_user_pool and settings.redirect_uri is None


def refuse_other_styles(profile: str, own: Mapping[str, Any], files: Files) -> None:
    """Leave alone a profile that gets its credentials in another way.

    Raises:
        ConfigurationError: naming the key.
    """
    remedy = f"Choose another --profile, or remove that from [{profile_section(profile)}] first"
    for key, style in _OTHER_STYLES.items():
        if key in own:
            raise ConfigurationError(f"Profile {profile!r} has {style} ({key})", remedy=remedy)
    helper = own.get("credential_process")
    if helper is not None and not starts_this_program(str(helper)):
        raise ConfigurationError(f"Profile {profile!r} has another credential_process", remedy=remedy)
    if "aws_access_key_id" in read_sections(files.credentials).get(profile, {}):
        raise ConfigurationError(
            f"{files.credentials} has static keys for profile {profile!r}, which every client uses first",
            remedy="Choose another --profile, or remove that section first",
        )


def check_provider(settings: Settings, store: Store) -> None:
    """Make sure that there is a provider to sign in with, and that it is who it says.

    Raises:
        ConfigurationError: there is no discovery document, or it is another issuer's.
        TemporaryError: the provider cannot be asked now.
    """
    provider = settings.provider
    if provider is None or not signs_people_in(settings):
        return
    discover(HttpClient(ca_bundle=settings.ca_bundle), provider, StoredDocuments(store), now=time.time())


def signs_people_in(settings: Settings) -> bool:
    """Return whether these settings need an interactive sign-in, and not a workload's token or a guest."""
    from_workload = any(getattr(settings, name) is not None for name in TOKEN_SOURCES)
    return settings.provider is not None and not settings.provider.no_sign_in_reason and not from_workload


def redirect_uris(settings: Settings) -> list[str]:
    """The redirect URIs to register at the provider, letter by letter."""
    provider: IdentityProvider | None = settings.provider
    if provider is None or not signs_people_in(settings):
        return []
    try:
        redirect = loopback_redirect(settings.redirect_uri, settings.redirect_ports or provider.redirect_ports)
    except ConfigurationError:
        return [settings.redirect_uri] if settings.redirect_uri else []
    return [redirect.registration(port) for port in redirect.ports]


class FileChange(Protocol):
    """A change of the configuration file."""

    def refuse(self, config: Mapping[str, Any], files: Files) -> None:
        """Raise `ConfigurationError` where the change would damage what `config` holds."""
        ...

    def applied(self, text: str) -> str:
        """Return the text of the file with the change in it."""
        ...

    def expected(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return what botocore has to read in the changed file, where it read `config` before."""
        ...


def write_changes(changes: FileChange, files: Files, store: Store) -> bool:
    """Put changes into the file; whether anything changed.

    What botocore reads in the new file is compared with what it read before: every foreign setting has to have its
    value, and every setting of the changes the planned one. Else the file stays as it is.

    Raises:
        ConfigurationError: the profile has got another credential style meanwhile, or the file is written in a way in
            which it cannot be changed safely.
        StorageError: the file cannot be written.
    """
    expected: dict[str, Any] = {}

    def edit(text: str) -> str:
        before = read_config(files.config)
        changes.refuse(before, files)
        expected.update(changes.expected(before))
        after = changes.applied(text)
        if after == text and before != expected:
            raise _unsafe(files)
        return after

    def check(path: str) -> None:
        try:
            found = read_config(path)
        except ConfigurationError:
            raise _unsafe(files) from None
        if {**_EMPTY_CONFIG, **found} != {**_EMPTY_CONFIG, **expected}:
            raise _unsafe(files)

    return update_text(files.config, edit, store, check=check)


#: What botocore adds to each file that it reads.
_EMPTY_CONFIG: Mapping[str, Any] = {"profiles": {}, "sso_sessions": {}, "services": {}}


def _unsafe(files: Files) -> ConfigurationError:
    return ConfigurationError(
        f"{files.config} is written in a way in which a change could damage other settings; it was not changed",
        remedy="Let every key begin its line without spaces in front, and remove a [DEFAULT] section",
    )


def section_of(sections: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a section, or a profile of the profiles; empty where there is none."""
    found = sections.get(name, {})
    return found if isinstance(found, Mapping) else {}


def texts_of(section: Mapping[str, Any]) -> dict[str, str]:
    """Return a section without its indented blocks."""
    return {key: value for key, value in section.items() if isinstance(value, str)}


def check_name(session: str) -> None:
    """Refuse what cannot be the name of a ``[cognito-session]``.

    Raises:
        ConfigurationError: it cannot.
    """
    if (
        any(c in session for c in "[]\"'#;\\")
        or not session.isprintable()
        or session != " ".join(session.split() or "-")
    ):
        raise ConfigurationError(f"{session!r} cannot be the name of a [cognito-session]", remedy="Change --session")


def check_region(value: str, shown: str = "--region") -> None:
    """Refuse what cannot be the name of an AWS region.

    Args:
        shown: what the message calls it.

    Raises:
        ConfigurationError: it cannot.
    """
    if not _REGION.match(value):
        raise ConfigurationError(f"{shown} must be the name of a region, such as eu-west-1, and not {value!r}")


def check_value(name: str, value: str, shown: str = "") -> None:
    """Refuse a value that its key cannot hold, or that some reader of the file would take for another one.

    Args:
        name: the key without its prefix.
        shown: what the message calls it, such as the flag that the user has typed; default is the key.

    Raises:
        ConfigurationError: it is refused, or there is no such key.
    """
    key = KEYS.get(name)
    if key is None or name == "session":
        raise ConfigurationError(
            f"There is no key {PREFIX}{name}", remedy="The keys are listed by: cognito-federation explain --keys"
        )
    shown = shown or key.full_name
    check_line(shown, value, in_quotes=name.endswith("_command"))
    try:
        key.read(value)
    except BadValue as bad:
        is_whole = bad.instead and not re.search(r"[A-Z]{2}", bad.instead)  # capitals are the user's to replace
        raise ConfigurationError(f"{shown} {bad}", remedy=f"Use: {bad.instead}" if is_whole else "") from None


def check_line(name: str, value: str, *, in_quotes: bool = False) -> None:
    """Refuse a value that some reader of the file would take for another one.

    Raises:
        ConfigurationError: it is refused.

    ``#`` and ``;`` begin a comment for the SDKs that take comments behind a value, and programs whose parser replaces
    ``%`` choke on one; botocore does neither.
    """
    if value != value.strip() or not value or any(c in value for c in "\r\n\x00"):
        raise ConfigurationError(f"{name} must be one line and not empty")
    if not value.isprintable():  # what is not UTF-8 has come as surrogates, which are not printable
        raise ConfigurationError(f"{name} holds bytes that are not UTF-8, or control or invisible characters")
    if value.startswith(("#", ";")) or re.search(r"\s[#;]", value):
        raise ConfigurationError(f"{name} holds # or ; where AWS tools take it for a comment")
    if value.strip("%") != value or (not in_quotes and value.strip("\"'") != value):
        raise ConfigurationError(f"{name} begins or ends with a quote or %, which AWS tools read differently")
