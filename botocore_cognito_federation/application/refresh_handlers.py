"""Which refresh handler renews the login tokens of which provider: an alias and its domain are one provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from ..errors import ConfigurationError
from .arguments import provider_key, resolved_provider

RefreshHandler = Callable[..., Any]


class RefreshHandlers(MutableMapping[str, RefreshHandler]):
    """Provider -> refresh handler; may be changed at any time.

    Amplify looks a handler up under the very string of the sign-in (aws-amplify/amplify-js#7889); here ``google``,
    ``accounts.google.com`` and ``https://accounts.google.com`` are the same key.
    """

    def __init__(self, handlers: Mapping[str, RefreshHandler] | None = None) -> None:
        self._handlers: dict[str, RefreshHandler] = {}
        self.update(handlers or {})

    def __getitem__(self, provider: str) -> RefreshHandler:
        return self._handlers[_key(provider)]

    def __setitem__(self, provider: str, handler: RefreshHandler) -> None:
        if not callable(handler):
            raise ConfigurationError(
                f"The refresh handler of {provider} is a {type(handler).__name__}", remedy="Pass a function"
            )
        self._handlers[_key(provider)] = handler

    def __delitem__(self, provider: str) -> None:
        del self._handlers[_key(provider)]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._handlers))

    def __len__(self) -> int:
        return len(self._handlers)

    def __repr__(self) -> str:
        return f"RefreshHandlers({', '.join(self)})"


def _key(provider: str) -> str:
    return provider_key(resolved_provider(provider))
