"""The controls of a world over HTTP, under ``/_demo/`` on its port, for tests and tools in other processes."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from .. import ConfigurationError
from .driving import DrivenWorld
from .wire import HttpAnswer

_HEADERS = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


class ControlPanel:
    """Dispatches control requests for the WSGI application: GET reads, POST acts with a JSON object of arguments."""

    def __init__(self, world: DrivenWorld) -> None:
        self._world = world

    def __call__(self, environ: dict[str, Any]) -> HttpAnswer:
        if not _from_this_machine(environ):
            return _answer(403, {"error": "the controls are for this machine only, and not for web pages"})
        name = environ["PATH_INFO"].removeprefix("/_demo/").strip("/")
        try:
            if environ["REQUEST_METHOD"] == "GET":
                return self._read(name, parse_qs(environ.get("QUERY_STRING", "")))
            return self._act(name, _arguments(environ))
        except (ConfigurationError, TypeError, ValueError, KeyError) as error:
            return _answer(400, {"error": str(error)})

    def _read(self, name: str, query: Mapping[str, list[str]]) -> HttpAnswer:
        if name == "world":
            return _answer(200, dataclasses.asdict(self._world.facts))
        if name == "calls":
            operation = query.get("operation", [None])[0]
            return _answer(200, [dataclasses.asdict(call) for call in self._world.calls(operation)])
        if name == "messages":
            username = query.get("username", [None])[0]
            return _answer(200, [dataclasses.asdict(message) for message in self._world.messages(username)])
        if name == "clock":
            return _answer(200, {"offset": self._world.clock_offset})
        if name == "credential-lifetime":
            return _answer(200, {"seconds": self._world.credential_lifetime})
        return _answer(404, {"error": f"there is nothing to read with the name {name!r}"})

    def _act(self, name: str, arguments: dict[str, Any]) -> HttpAnswer:
        world = self._world
        providers = {"provider": world.provider, "second-provider": world.second_provider}
        actions: dict[str, Callable[..., Any]] = {
            "reset-journal": world.reset_journal,
            "fault": world.fault,
            "clear-faults": world.clear_faults,
            "clock": self._set_clock,
            "credential-lifetime": self._set_lifetime,
            "disable-provider": world.disable_provider,
            "enable-provider": world.enable_provider,
            "rotate-keys": world.rotate_keys,
            "forget-identities": world.forget_identities,
            "trust-issuer": world.trust_issuer,
            "opaque-token": world.register_opaque_token,
            "add-pool": world.add_pool,
            "add-chained-role": world.add_chained_role,
            "add-user-pool": lambda **settings: dataclasses.asdict(world.add_user_pool(**settings)),
            "add-user": world.add_user,
            **{f"{label}/issue": provider.issue for label, provider in providers.items()},
            **{f"{label}/rotate-keys": provider.rotate_keys for label, provider in providers.items()},
        }
        if name not in actions:
            return _answer(404, {"error": f"there is no action with the name {name!r}", "actions": sorted(actions)})
        return _answer(200, {"result": actions[name](**arguments)})

    def _set_clock(self, offset: float) -> None:
        self._world.clock_offset = float(offset)

    def _set_lifetime(self, seconds: float) -> None:
        self._world.credential_lifetime = float(seconds)


def _from_this_machine(environ: Mapping[str, Any]) -> bool:
    """Return whether no web page can have sent the request: they send another Host (DNS rebinding) or an Origin."""
    host = re.sub(r":\d+\Z", "", environ.get("HTTP_HOST", "")).strip("[]")
    return host in ("127.0.0.1", "localhost", "::1") and "HTTP_ORIGIN" not in environ


def _arguments(environ: Mapping[str, Any]) -> dict[str, Any]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    arguments = json.loads(body or b"{}")
    if not isinstance(arguments, dict):
        raise TypeError("the arguments must be one JSON object")
    return arguments


def _answer(status: int, document: object) -> HttpAnswer:
    return HttpAnswer(status, _HEADERS, json.dumps(document).encode())
