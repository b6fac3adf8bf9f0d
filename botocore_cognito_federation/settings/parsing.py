"""Configuration files that every AWS tool refuses, and why: botocore's own error names neither line nor reason."""

from __future__ import annotations

import configparser
import contextlib

from ..errors import ConfigurationError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def refuse_what_no_tool_parses(path: str) -> None:
    """Refuse a configuration file that AWS tools cannot read; one that is not there is none.

    Raises:
        ConfigurationError: naming the line.
    """
    from botocore.configloader import load_config
    from botocore.exceptions import ConfigNotFound, ConfigParseError

    try:
        load_config(path)
    except ConfigNotFound:
        return
    except ConfigParseError:
        raise ConfigurationError(parse_trouble(path)) from None


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
    parser = configparser.RawConfigParser(strict=False)
    with contextlib.suppress(configparser.Error, UnicodeDecodeError, OSError):
        parser.read([path], encoding="utf-8")
    return parser.has_section(title)
