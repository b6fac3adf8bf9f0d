"""Profiles that a company publishes: what such a file may hold, and how it is brought into one's own configuration.

The file has the form of ``~/.aws/config``. Whoever can change it chooses where people sign in and which pool gets their
login tokens. So it is read from https or from this machine, it holds only keys from a list, and nothing is written
before the user has seen it. It cannot name a program, a Python function, a file or a variable of this machine.
"""

from __future__ import annotations

import codecs
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._util.files import read_regular_file
from .._util.http import HttpClient
from ..cache.base import PUBLISHED, Store, cache_key
from ..errors import ConfigurationError
from ..messages import shell_command
from .configure import (
    Files,
    check_line,
    check_name,
    check_region,
    check_value,
    refuse_other_styles,
    section_of,
    texts_of,
)
from .helper_line import check_profile_name, helper_command, starts_this_program
from .keys import PREFIX, SESSION_SECTION, has_our_keys
from .loader import Layers, read_config, read_sections, resolve
from .settings import profile_section
from .writer import with_section

#: Keys of this tool that are the same for all users, without prefix.
SHARED_KEYS = frozenset(
    [
        *("identity_pool_id", "session", "provider", "issuer", "login_key", "client_id", "user_pool_id"),
        *("scopes", "auth_params", "grant", "redirect_uri", "redirect_ports"),
        *("role_arn", "flow", "duration_seconds", "account_id", "endpoint_url", "refresh_window"),
        *("assume_role_arn", "assume_role_duration_seconds", "assume_role_external_id", "assume_role_policy"),
        *("assume_role_policy_arns", "assume_role_tags", "cache", "auto_login", "fail_closed", "registries"),
    ]
)
#: Keys of AWS's own that name no program, file or variable.
AWS_KEYS = frozenset(["region", "output", "role_arn", "source_profile", "external_id", "duration_seconds"])

_HEADING = """\
# Profiles for Amazon Cognito identity pools, to be taken with:
#   {command}
"""

Sections = Mapping[str, Mapping[str, str]]


def published_text(profile: str, files: Files) -> tuple[str, list[str]]:
    """Return a file with a profile for others, and the keys that it leaves out because they belong to this machine.

    Args:
        profile: the profile. The session and the source profile that it names are part of the file.
        files: the user's configuration.

    Raises:
        ConfigurationError: there is no such profile, or it is none of this tool's.
    """
    config = read_config(files.config)
    sections: dict[str, dict[str, str]] = {}
    left_out: list[str] = []
    waiting = [profile_section(profile)]
    while waiting:
        title = waiting.pop(0)
        if title in sections:
            continue
        present = texts_of(_present(config, title))
        sections[title] = {key: value for key, value in present.items() if _is_shareable(key, title)}
        left_out += [key for key in present if key not in sections[title] and key != "credential_process"]
        waiting += _named_by(present).values()
    if not any(map(has_our_keys, sections.values())):
        raise ConfigurationError(
            f"Profile {profile!r} has no cognito_ keys to publish", remedy="Name one of this tool's with --profile"
        )
    body = "\n".join(_written(title, section) for title, section in sections.items())
    return _HEADING.format(command=shell_command("cognito-federation", "configure", "--from", "FILE-OR-URL")) + (
        f"\n{body}"
    ), left_out


def read_publication(source: str, client: HttpClient) -> Sections:
    """Read a published file, and refuse it as a whole where it holds anything that it may not.

    Args:
        source: the path of a file, or an https URL.
        client: asks the URL.

    Returns:
        The keys of each section, by its header.

    Raises:
        ConfigurationError: it cannot be read, is no configuration, or names a key that it may not.
        TemporaryError: the server cannot be asked now.
    """
    content = _content(source, client)
    if _is_web_page(content):
        raise ConfigurationError(
            f"{source} is a web page, and no AWS configuration file",
            remedy="Name the address of the file itself with --from, such as its raw form, which needs no sign-in",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "config")
        with open(path, "wb") as stream:
            stream.write(content)
        try:
            config, titles = read_config(path), list(read_sections(path))
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{source} is no AWS configuration file: {error.line.replace(path, 'it')}"
            ) from None
    sections = {_title(title): _checked(source, title, config) for title in titles}
    if not any(map(has_our_keys, sections.values())):
        raise ConfigurationError(f"{source} holds no profile with cognito_ keys", remedy="Check the address")
    for title, section in sections.items():
        for key, named in _named_by(section).items():
            if named not in sections:
                raise ConfigurationError(f"{source}: [{title}] names {key} {section[key]}, which is not in that file")
    return sections


def _named_by(section: Mapping[str, str]) -> dict[str, str]:
    """The headers of the sections that a section needs, by the key that names each."""
    headers = {"cognito_session": lambda name: SESSION_SECTION + name, "source_profile": profile_section}
    return {key: header(section[key]) for key, header in headers.items() if key in section}


def _content(source: str, client: HttpClient) -> bytes:
    if "://" not in source:
        path = os.path.expanduser(source)
        try:
            return read_regular_file(path)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}", remedy="Check --from") from None
    answer = client.get(source)
    if answer.status != 200:
        raise ConfigurationError(f"{source} answers with status {answer.status}", remedy="Check --from")
    return answer.body


def _is_web_page(content: bytes) -> bool:
    """Return whether this is HTML: the page that shows a file, or the page of a sign-in that is asked for first."""
    start = content[:4096].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml", b"<!--"))


def _title(header: str) -> str:
    """The header as this tool writes it."""
    words = header.split()
    if header == "default":
        return header
    if len(words) == 2 and words[0] == "profile":
        return profile_section(words[1].strip("\"'"))
    return header


def _checked(source: str, header: str, config: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys of a section, each of which may stand in a published file."""
    title = _title(header)
    if title.startswith(SESSION_SECTION):
        check_name(title.removeprefix(SESSION_SECTION))
    elif title == "default" or title.startswith("profile "):
        check_profile_name(_name_of(title))
    else:
        raise ConfigurationError(f"{source} has a section [{header}]; it may have profiles and sessions only")
    found = _present(config, title if title.startswith(SESSION_SECTION) else header)
    for key, value in found.items():
        if not isinstance(value, str) or not _is_shareable(key, title):
            raise ConfigurationError(
                f"{source}: {key} in [{title}] names something of one machine, or is no key that can be published",
                remedy="Do not use that file; tell its author",
            )
        check_line(key, value)
        if key.startswith(PREFIX) and key != "cognito_session":
            check_value(key.removeprefix(PREFIX), value)
        elif key == "region":
            check_region(value, f"region in [{title}]")
    return dict(found)


def _is_shareable(key: str, title: str) -> bool:
    if key.startswith(PREFIX):
        return key.removeprefix(PREFIX) in SHARED_KEYS
    return key in AWS_KEYS and not title.startswith(SESSION_SECTION)


def _present(config: Mapping[str, Any], title: str) -> Mapping[str, Any]:
    """What a configuration has under a header."""
    if title.startswith(SESSION_SECTION):
        return section_of(config, title)
    return section_of(config["profiles"], _name_of(title))


def _name_of(title: str) -> str:
    return title if title == "default" else title.removeprefix("profile ").strip("\"'")


def _written(title: str, section: Mapping[str, str]) -> str:
    return "".join([f"[{title}]\n", *(f"{key} = {value}\n" for key, value in section.items())])


@dataclass(frozen=True)
class Merge:
    """What a published file changes in one's own.

    Attributes:
        changes: header -> key -> value; None removes the key.
        retained: header -> key -> the user's own value, where the published one is another.
        published: what was in the published file.
    """

    changes: Mapping[str, Mapping[str, str | None]]
    retained: Mapping[str, Mapping[str, str]]
    published: Sections

    @property
    def profiles(self) -> list[str]:
        """The names of the profiles with credentials by this tool."""
        return [_name_of(title) for title, section in self.published.items() if _needs_helper(title, section)]

    def lines(self, config: Mapping[str, Any]) -> Iterator[str]:
        """What will change, line by line, for a user to agree to."""
        for title, section in self.changes.items():
            before = _present(config, title)
            if section:
                yield f"[{title}]"
            for key, value in section.items():
                if key in before:
                    yield f"- {key} = {before[key]}"
                if value is not None:
                    yield f"+ {key} = {value}"
        for title, values in self.retained.items():
            for key, value in values.items():
                offered = self.published[title].get(key)
                shown = f"published: {offered}" if offered is not None else "no longer published"
                yield f"[{title}] {key} = {value} stays as you have set it ({shown})"

    def refuse(self, config: Mapping[str, Any], files: Files) -> None:
        """Leave alone profiles that get their credentials in another way.

        Raises:
            ConfigurationError: naming the profile and the key.
        """
        for title, section in self.published.items():
            if title.startswith(SESSION_SECTION):
                continue
            present = _present(config, title)
            own_keys = {key: value for key, value in present.items() if key not in section}
            refuse_other_styles(_name_of(title), own_keys, files)

    def applied(self, text: str) -> str:
        """The text of the user's file with the changes in it."""
        for title, section in self.changes.items():
            text = with_section(text, title, section)
        return text

    def expected(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """What botocore has to read in the changed file, where it read `config` before."""
        changed = {**config, "profiles": dict(config["profiles"])}
        for title, section in self.changes.items():
            merged = {**_present(config, title), **section}
            after = {key: value for key, value in merged.items() if value is not None}
            if title.startswith(SESSION_SECTION):
                if after or title in config:
                    changed[title] = after
            elif after or _name_of(title) in config["profiles"]:
                changed["profiles"][_name_of(title)] = after
        return changed


def merge(published: Sections, files: Files, store: Store, executable: str | None = None) -> Merge:
    """Decide what to change: what the user has changed since the last time stays.

    Args:
        published: what is published now.
        files: the user's configuration.
        store: remembers what was published the last time.
        executable: see `helper_command`.

    Raises:
        ConfigurationError: a profile gets its credentials in another way, or the result makes no configuration.
    """
    config = read_config(files.config)
    changes: dict[str, dict[str, str | None]] = {}
    retained: dict[str, dict[str, str]] = {}
    for title, section in published.items():
        present = texts_of(_present(config, title))
        last = texts_of(store.read(PUBLISHED, _record_key(title)) or {})
        changes[title], retained[title] = _merged(section, last, present)
        starts_this_already = starts_this_program(present.get("credential_process", ""))
        if _needs_helper(title, section) and not starts_this_already:
            changes[title]["credential_process"] = helper_command(_name_of(title), executable)
    found = Merge(changes, retained, published)
    found.refuse(config, files)
    after = found.expected(config)
    for profile in found.profiles:
        resolve(Layers(profile, after, files.config, {}, {}))
    return found


def _needs_helper(title: str, section: Mapping[str, str]) -> bool:
    return not title.startswith(SESSION_SECTION) and has_our_keys(section)


def _merged(
    published: Mapping[str, str], last: Mapping[str, str], present: Mapping[str, str]
) -> tuple[dict[str, str | None], dict[str, str]]:
    changes: dict[str, str | None] = {}
    retained: dict[str, str] = {}
    for key in {**last, **published}:
        new, old, now = published.get(key), last.get(key), present.get(key)
        if now == new:
            continue
        if now == old:
            changes[key] = new
        elif now is not None:
            retained[key] = now
    return changes, retained


def remember(found: Merge, store: Store) -> None:
    """Store what was published, for the next time.

    Raises:
        StorageError: it cannot be stored.
    """
    for title, section in found.published.items():
        store.write(PUBLISHED, _record_key(title), dict(section))


def _record_key(title: str) -> str:
    return cache_key({"published": title})
