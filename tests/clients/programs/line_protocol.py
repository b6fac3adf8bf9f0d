"""The common part of the client programs: they answer ``get KEY`` and ``put KEY TEXT`` on standard input, one a line.

A program makes its client before it reads a line, so that a credential helper that reads the inherited input would
consume the lines. Runs in the clients' own environments: standard library only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

BUCKET = os.environ["MATRIX_BUCKET"]
PROFILE = os.environ.get("AWS_PROFILE")
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
REGION = os.environ["MATRIX_REGION"]


def install_if_native() -> None:
    """Join botocore's chain, if the run tests that."""
    if os.environ.get("MATRIX_NATIVE"):
        from botocore_cognito_federation import install

        install()


def serve(get: Callable[[str], bytes], put: Callable[[str, bytes], None]) -> None:
    for line in sys.stdin:
        reply(answer(line, get, put))


def answer(line: str, get: Callable[[str], bytes], put: Callable[[str, bytes], None]) -> str:
    verb, key, text = requested(line)
    if verb == "get":
        return get(key).decode().strip()
    put(key, text)
    return "stored"


def requested(line: str) -> tuple[str, str, bytes]:
    verb, key, *text = line.rstrip("\n").split(" ", 2)
    return verb, key, "".join(text).encode()


def reply(text: str) -> None:
    print(text, flush=True)


def incoming() -> Iterator[str]:
    return iter(sys.stdin.readline, "")
