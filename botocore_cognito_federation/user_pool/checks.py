"""Validation of arguments before a call: botocore quotes the value it refuses, and that value may be a secret.

The limits are those of the cognito-idp service model. No message here quotes a value; each names the argument.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from .._util.urls import LOCALHOST, check_url
from ..errors import ConfigurationError

_POOL_ID = re.compile(r"[\w-]+_[0-9a-zA-Z]+")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_CLIENT_ID = re.compile(r"[\w+]+")
_TOKEN = re.compile(r"[A-Za-z0-9\-_=.]+")


def _refuse(name: str, why: str, remedy: str = "") -> ConfigurationError:
    return ConfigurationError(f"{name} {why}", remedy=remedy)


def text(name: str, value: object, longest: int, *, spaces: bool = True) -> str:
    """Check a string of 1 to `longest` characters; unless `spaces` is set, it must not contain white space."""
    if not isinstance(value, str):
        raise _refuse(name, f"must be a string, not {type(value).__name__}")
    if not value:
        raise _refuse(name, "must not be empty")
    if len(value) > longest:
        raise _refuse(name, f"has {len(value)} characters; at most {longest} are allowed")
    if not spaces and any(character.isspace() for character in value):
        raise _refuse(name, "must not contain white space", "Look for a stray space or line end")
    return value


def username(value: object) -> str:
    """Check a UsernameType: 1 to 128 letters, marks, symbols, digits and punctuation."""
    name = text("username", value, 128)
    if any(unicodedata.category(character)[0] not in "LMSNP" for character in name):
        raise _refuse("username", "must not contain white space or control characters")
    return name


def password(value: object, name: str = "password") -> str:
    """Check a PasswordType: 1 to 256 characters. The pool's policy decides about the rest."""
    return text(name, value, 256)


def code(value: object, name: str = "code") -> str:
    """Check a ConfirmationCodeType."""
    return text(name, value, 2048, spaces=False)


def totp_code(value: object) -> str:
    """Check a SoftwareTokenMFAUserCodeType: six digits."""
    digits = code(value)
    if not re.fullmatch(r"[0-9]{6}", digits):
        raise _refuse("code", "of an authenticator application is six digits")
    return digits


def token(value: object, name: str) -> str:
    """Check a TokenModelType."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise _refuse(name, "is not a token of a user pool")
    return value


def user_pool_id(value: object, *, any_region: bool) -> str:
    """Check an ID of the form ``REGION_ID``; `any_region` is for emulators, whose prefix need not be a region."""
    pool = text("user_pool_id", value, 55)
    remedy = "It looks like eu-west-1_AbCdEfGhI; an identity pool's id, with a colon, is something else"
    if not _POOL_ID.fullmatch(pool):
        raise _refuse("user_pool_id", "is not the id of a user pool", remedy)
    if not any_region and not _REGION.fullmatch(pool.split("_", 1)[0]):
        raise _refuse("user_pool_id", "does not begin with a region", remedy)
    return pool


def client_id(value: object) -> str:
    """Check a ClientIdType."""
    client = text("client_id", value, 128)
    if not _CLIENT_ID.fullmatch(client):
        raise _refuse("client_id", "is not the id of an app client", "Take the app client's id, not its name")
    return client


def client_secret(value: object) -> str | None:
    """Check the app client's secret, or None for a public client; only the server can judge its content."""
    return None if value is None else text("client_secret", value, 128, spaces=False)


def endpoint_url(value: object) -> str | None:
    """Check an endpoint: https, or http to a literal loopback address, because passwords are sent there."""
    if value is None:
        return None
    url = text("endpoint_url", value, 2048, spaces=False)
    check_url(url, whose="endpoint_url")
    return url


def issuer(value: object) -> str | None:
    """Check an issuer like `endpoint_url`, but allow http to ``localhost``: tokens may name an issuer so."""
    if value is None:
        return None
    url = text("issuer", value, 2048, spaces=False)
    check_url(url, plain_http_hosts=(LOCALHOST,), whose="issuer")
    return url


def metadata(value: object, name: str = "client_metadata") -> dict[str, str]:
    """Check a ClientMetadataType: a map of strings to strings; None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _refuse(name, f"must be a mapping, not {type(value).__name__}")
    for key, item in value.items():
        if not isinstance(key, str) or not isinstance(item, str):
            raise _refuse(
                name,
                f"must map strings to strings; {_shown(key)} is {type(item).__name__}",
                "Lambda triggers get text: convert it, with json.dumps for what is nested",
            )
    return dict(value)


def _shown(key: object) -> str:
    return repr(key[:40]) if isinstance(key, str) else f"a key of type {type(key).__name__}"


def attributes(value: object, name: str = "attributes") -> list[dict[str, str]]:
    """Check an AttributeListType, given as a mapping or as a sequence of ``{"Name": …, "Value": …}``."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [_attribute(name, key, item) for key, item in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_attribute(name, *_pair(name, entry)) for entry in value]
    raise _refuse(name, "must be a mapping or a list of Name and Value")


def _pair(name: str, entry: object) -> tuple[Any, Any]:
    if not isinstance(entry, Mapping) or not {"Name"} <= set(entry) <= {"Name", "Value"}:
        raise _refuse(name, "as a list must have Name and Value in each entry")
    return entry["Name"], entry.get("Value", "")


def _attribute(name: str, key: object, value: object) -> dict[str, str]:
    attribute_name(key, f"{name}: an attribute's name")
    if not isinstance(value, str):
        raise _refuse(name, f"must hold strings; {_shown(key)} is {type(value).__name__}")
    if len(value) > 2048:
        raise _refuse(name, f"allows 2048 characters a value; {_shown(key)} has {len(value)}")
    return {"Name": str(key), "Value": value}


def attribute_name(value: object, name: str = "attribute") -> str:
    """Check an AttributeNameType."""
    return text(name, value, 32)
