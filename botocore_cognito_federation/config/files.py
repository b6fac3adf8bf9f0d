"""Configuration files as botocore reads them; where it cannot, the line and the reason, which its error leaves out."""

from __future__ import annotations

import configparser
import os
from collections.abc import Callable, Mapping
from typing import Any

from .._fast_path import state_of_file
from ..errors import ConfigurationError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def expanded_path(path: str) -> str:
    """The path of a configuration file as botocore expands it."""
    return os.path.expanduser(os.path.expandvars(path))


def read_config(path: str) -> dict[str, Any]:
    """A configuration file with its profiles under ``profiles``; a file that is not there has none.

    Raises:
        ConfigurationError: no AWS tool can read it; the message names the line.
    """
    from botocore.configloader import load_config

    return _read(load_config, path) or {"profiles": {}}


def read_sections(path: str) -> dict[str, Any]:
    """The sections of a configuration or credentials file by their headers; a file that is not there has none.

    Raises:
        ConfigurationError: no AWS tool can read it; the message names the line.
    """
    from botocore.configloader import raw_config_parse

    return _read(raw_config_parse, path)


#: The last content of each file, by what parses it and its path.
_parsed: dict[tuple[object, str], tuple[str, Mapping[str, Any]]] = {}


def known_config(path: str) -> Mapping[str, Any]:
    """`read_config`, parsed once for each state of the file; not to be changed."""
    return _known(read_config, path)


def known_sections(path: str) -> Mapping[str, Any]:
    """`read_sections`, parsed once for each state of the file; not to be changed."""
    return _known(read_sections, path)


def _known(read: Callable[[str], Mapping[str, Any]], path: str) -> Mapping[str, Any]:
    path = expanded_path(path)
    state = state_of_file(path)
    before = _parsed.get((read, path))
    if before is None or before[0] != state:
        before = _parsed[read, path] = (state, read(path))
    return before[1]


def merged_config(config: str, credentials: str) -> Mapping[str, Any]:
    """What `botocore.session.Session.full_config` makes of the two files, each parsed once for each of its states.

    Raises:
        ConfigurationError: no AWS tool can read one of them; the message names the line.
    """
    found, profiles = known_config(config), dict(known_config(config)["profiles"])
    for name, section in known_sections(credentials).items():
        profiles[name] = {**profiles.get(name, {}), **section}
    return {**found, "profiles": profiles}


def _read(parse: Callable[[str], Mapping[str, Any]], path: str) -> dict[str, Any]:
    from botocore.exceptions import ConfigNotFound, ConfigParseError

    try:
        return dict(parse(path))
    except ConfigNotFound:
        return {}
    except ConfigParseError:
        raise ConfigurationError(parse_trouble(path)) from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


def check_parsable(path: str) -> None:
    """Refuse a configuration file that AWS tools cannot read; one that is not there is none.

    Raises:
        ConfigurationError: naming the line.
    """
    read_config(path)


def parse_trouble(path: str) -> str:
    """Which line of a configuration file every AWS tool refuses, and why. No value is quoted: it may be a secret."""
    shown = f"{path} cannot be parsed by any AWS tool"
    try:
        with open(path, "rb") as file:
            start = file.read(3)
        if start == _BYTE_ORDER_MARK:
            return f"{shown}: it begins with a byte order mark. Save it as UTF-8 without BOM"
        configparser.RawConfigParser().read([path], encoding="utf-8")
    except configparser.DuplicateOptionError as error:
        return (
            f"{shown}: line {error.lineno} sets {error.option!r} of [{error.section}] a second time. Remove one of them"
        )
    except configparser.DuplicateSectionError as error:
        return f"{shown}: line {error.lineno} begins [{error.section}] a second time. Join the two"
    except configparser.MissingSectionHeaderError as error:
        return f"{shown}: line {error.lineno} stands before the first [section]"
    except configparser.ParsingError as error:
        lines = ", ".join(str(line) for line, _ in error.errors)
        return f"{shown}: line {lines} is not key = value"
    except UnicodeDecodeError:
        return f"{shown}: it is not UTF-8 text"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return f"{shown}: an indented block holds a line that is not key = value"


def has_section(path: str, title: str) -> bool:
    """Whether a file has a section, also one whose title botocore cannot split into words and leaves out."""
    try:
        return title in read_sections(path)
    except ConfigurationError:
        return False
