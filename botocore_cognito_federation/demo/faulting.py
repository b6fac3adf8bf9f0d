"""Applies a fault to one answer: it is replaced or damaged, or the connection is closed."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
from collections.abc import Callable
from typing import Any, NoReturn

from .journal import Fault
from .refusals import Refusal
from .wire import HttpAnswer, html_page


def substitute(fault: Fault, style: Callable[[Refusal], HttpAnswer]) -> HttpAnswer:
    """Return the answer of a fault instead of the service's: an AWS error, or a bare HTTP status with a page."""
    if fault.code:
        return style(Refusal(fault.code, fault.message, fault.status or 400))
    return html_page(fault.status or 500)


def damaged(fault: Fault, answer: HttpAnswer) -> HttpAnswer:
    """Return a good answer with its body emptied, cut in half, or without some of its keys."""
    body = answer.body
    if fault.missing_keys:
        body = _without_keys(body, fault.missing_keys)
    if fault.truncate:
        body = body[: len(body) // 2]
    if fault.empty_body:
        body = b""
    headers = tuple((name, value) for name, value in answer.headers if name.lower() != "content-length")
    return HttpAnswer(answer.status, headers, body)


def break_connection(environ: dict[str, Any]) -> NoReturn:
    """End the connection with a reset, without a byte of an answer."""
    reset_connection(environ["werkzeug.socket"])
    raise ConnectionResetError("a fault closed this connection")


def reset_connection(connection: socket.socket) -> None:
    """Close a socket with a reset: SO_LINGER on with a time of zero (socket(7)).

    The read side is shut down first: the server's file objects hold the socket open until their next read finds its
    end.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):  # the client was faster
        connection.shutdown(socket.SHUT_RD)
    connection.close()


def _without_keys(body: bytes, keys: tuple[str, ...]) -> bytes:
    if body.lstrip().startswith(b"<"):
        text = body.decode()
        for key in keys:
            tag = re.escape(key.rpartition(".")[2])
            text = re.sub(rf"<{tag}>.*?</{tag}>", "", text, flags=re.DOTALL)
        return text.encode()
    members = json.loads(body or b"{}")
    for key in keys:
        *path, last = key.split(".")
        inner = members
        for part in path:
            inner = inner.get(part, {})
        inner.pop(last, None)
    return json.dumps(members).encode()
