"""The activation of `native enable`: registers with botocore when a program imports it.

The ``.pth`` file installs a finder that imports this module when a program imports botocore. Nothing here imports
botocore by itself. That would be slow, and in an environment with the AWS CLI version 1 it would replace the copy that
the CLI carries (``awscli.botocore``, which its own import hook provides). The other finders find botocore as usual.
"""

import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


class BotocoreFinder:
    """A finder that handles one name only."""

    def __init__(self) -> None:
        self._asking: set[int] = set()

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        if name != "botocore" or get_ident() in self._asking:
            return None
        # Other hooks of this kind ask all finders again, including this one.
        self._asking.add(get_ident())
        try:
            import importlib.util

            spec = importlib.util.find_spec(name)
        finally:
            self._asking.discard(get_ident())
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]  # a loader by its methods
        return spec


class _Loader:
    """The loader of botocore, which does not change the module: a zip importer loads other modules too."""

    def __init__(self, loader: "Any") -> None:
        self._loader = loader

    def exec_module(self, module: "ModuleType") -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        register_in(module)

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._loader, name)


def register_in(botocore: "Any") -> None:
    """Register with a botocore that has just been imported; one without initializers stays unchanged."""
    if hasattr(botocore, "register_initializer") and initialize not in getattr(botocore, "_INITIALIZERS", ()):
        botocore.register_initializer(initialize)


def initialize(session: "Any") -> None:
    """Register in a new session; botocore calls it. After a failure the stock chain stays, as after an uninstall."""
    try:
        from .botocore_plugin.provider import initialize as put_provider

        put_provider(session)
    except Exception:
        import logging

        logging.getLogger(__name__).warning("cognito-federation could not join botocore's chain", exc_info=True)


def take_over() -> BotocoreFinder:
    """Replace the finder of the ``.pth`` file, which has just been asked for botocore.

    The new finder takes the same position and stays there: if an entry before them went away, other threads that are
    iterating over the list at this moment would skip a finder.
    """
    finder = BotocoreFinder()
    for place, other in enumerate(sys.meta_path):
        if _waits(other):
            sys.meta_path[place] = finder  # type: ignore[assignment,unused-ignore]  # a finder by its method
    return finder


def _waits(finder: "Any") -> bool:
    """Return whether this is the function of the ``.pth``; there are two if `site` has run the line twice."""
    code = getattr(finder, "__code__", None)
    texts = [text for text in code.co_consts if isinstance(text, str)] if code is not None else []
    return any(__name__ in text for text in texts)
