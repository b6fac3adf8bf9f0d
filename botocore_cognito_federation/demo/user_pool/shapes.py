"""The shapes of the requests: required members, types, lengths and patterns, from botocore's own service model."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

from .. import refusals

SERVICE = "cognito-idp"


@functools.cache
def _model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model(SERVICE, "service-2"), SERVICE)


def check(operation: str, request: dict[str, Any]) -> None:
    """Refuse a request whose members break their constraints; an operation that botocore does not know passes.

    Raises:
        Refusal: InvalidParameterException with ``N validation errors detected: …``, or SerializationException for a
            wrong type.
    """
    if operation not in _model().operation_names:
        return
    shape = _model().operation_model(operation).input_shape
    found = list(_problems("", shape, request)) if shape is not None else []
    if found:
        # User pools have their own code for what the other services call ValidationException (amplify-js#4405).
        raise refusals.invalid_parameter(refusals.validation(found).message)


_TYPES: dict[str, type | tuple[type, ...]] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
}


def _problems(name: str, shape: Any, value: Any) -> Iterator[str]:
    if getattr(shape, "is_document_type", False):
        return
    expected = _TYPES.get(shape.type_name)
    if expected is not None and (not isinstance(value, expected) or (expected is int and isinstance(value, bool))):
        raise refusals.serialization()
    if shape.type_name == "structure":
        yield from _structure(name, shape, value)
    elif shape.type_name == "list":
        for number, entry in enumerate(value, 1):
            yield from _problems(f"{name}.{number}.member", shape.member, entry)
    elif shape.type_name == "map":
        for key, entry in value.items():
            yield from _problems(f"{name}.{key}", shape.value, entry)
    else:
        shown = "" if shape.metadata.get("sensitive") else f"'{value}' "
        yield from (f"Value {shown}at '{name}' failed to satisfy constraint: {p}" for p in _plain(shape, value))


def _structure(name: str, shape: Any, value: dict[str, Any]) -> Iterator[str]:
    for member, inner in shape.members.items():
        path = f"{name}.{_lower(member)}" if name else _lower(member)
        if value.get(member) is not None:
            yield from _problems(path, inner, value[member])
        elif member in shape.required_members:
            yield f"Value null at '{path}' failed to satisfy constraint: Member must not be null"


def _plain(shape: Any, value: Any) -> Iterator[str]:
    limits = shape.metadata
    size, what = (len(value), "length") if isinstance(value, str) else (value, "value")
    if "max" in limits and size > limits["max"]:
        yield f"Member must have {what} less than or equal to {limits['max']}"
    if "min" in limits and size < limits["min"]:
        yield f"Member must have {what} greater than or equal to {limits['min']}"
    pattern = _STRICTER.get(shape.name, limits.get("pattern"))
    if pattern and not _compiled(pattern).fullmatch(value):
        yield f"Member must satisfy regular expression pattern: {pattern}"
    # The model of an old botocore lacks later values, such as the flow USER_AUTH.
    if limits.get("enum") and "StartWebAuthnRegistration" in _model().operation_names and value not in limits["enum"]:
        yield f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"


# Java's classes for printable characters and for separators, as ranges that Python's `re` has.
_PRINTABLE = (
    r"!-~\u00a1-\u167f\u1681-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u2fff\u3001-\ud7ff\uf900-\ufefe\uff01-\U0010ffff"
)
_SEPARATORS = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# The service is stricter than its model, in the words of aws-amplify/amplify-js#4405: no white space at either end.
_STRICTER = {"PasswordType": r"^[\S]+.*[\S]+$"}


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    text = pattern.replace(r"\p{L}\p{M}\p{S}\p{N}\p{P}", _PRINTABLE).replace(r"\p{Z}", _SEPARATORS)
    return re.compile(text, re.DOTALL)


def _lower(member: str) -> str:
    return member[0].lower() + member[1:]
