"""The limits of a request in the service's own model: required members, lengths, numbers, patterns and enumerations.

botocore's clients check minima and required members only, so what is too long or of another form reaches the service,
which names every problem at once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

from . import refusals

_TYPES: dict[str, type] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "map": dict,
    "list": list,
    "structure": dict,
}


@functools.cache
def _model(service: str) -> ServiceModel:
    return botocore.session.Session().get_service_model(service)


def check(service: str, operation: str, members: Mapping[str, Any]) -> None:
    """Refuse a request that breaks its model.

    Raises:
        Refusal: ``N validation errors detected: …``, or SerializationException for a value of another type.
    """
    shape = _model(service).operation_model(operation).input_shape
    problems = list(_problems(shape, members, "")) if shape is not None else []
    if problems:
        raise refusals.validation(problems)


def _problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    expected = _TYPES.get(shape.type_name)
    if (expected is not None and not isinstance(value, expected)) or (
        shape.type_name == "integer" and isinstance(value, bool)
    ):
        raise refusals.serialization()
    size = value if shape.type_name == "integer" else len(value) if hasattr(value, "__len__") else 0
    yield from _limits(shape, size, value, path)
    if isinstance(shape, StructureShape):
        yield from _members(shape, value, path)
    elif isinstance(shape, ListShape):
        for number, one in enumerate(value, 1):
            yield from _problems(shape.member, one, f"{path}.{number}.member")
    elif isinstance(shape, MapShape):
        for key, one in value.items():
            yield from _problems(shape.key, key, f"{path}.key")
            yield from _problems(shape.value, one, f"{path}.{key}.member")


def _members(shape: StructureShape, value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, member in shape.members.items():
        where = f"{path}.{name[0].lower()}{name[1:]}".removeprefix(".")
        if value.get(name) is not None:
            yield from _problems(member, value[name], where)
        elif name in shape.required_members:
            yield _problem(None, where, "Member must not be null")


def _limits(shape: Shape, size: int, value: Any, path: str) -> Iterator[str]:
    noun = "value" if shape.type_name == "integer" else "length"
    if shape.metadata.get("max") is not None and size > shape.metadata["max"]:
        yield _problem(value, path, f"Member must have {noun} less than or equal to {shape.metadata['max']}")
    if shape.metadata.get("min") is not None and size < shape.metadata["min"]:
        yield _problem(value, path, f"Member must have {noun} greater than or equal to {shape.metadata['min']}")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(_python_pattern(pattern), str(value)):
        yield _problem(value, path, f"Member must satisfy regular expression pattern: {pattern}")
    if isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        yield _problem(value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")


def _python_pattern(pattern: str) -> str:
    """Return a pattern of Java for Python: letters, marks, symbols, numbers and punctuation are all but spaces."""
    return r"[^\s\x00-\x1f]+" if r"\p{" in pattern else f"(?a:{pattern})"


def _problem(value: object, path: str, rule: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {rule}"
