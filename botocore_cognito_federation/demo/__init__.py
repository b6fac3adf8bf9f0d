"""The demo world: an identity provider and an identity pool that really check tokens, on loopback.

`World` starts both in threads of this process; `RemoteWorld` drives one that runs in another process. Needs the extra
``demo``: moto answers what is not the identity pool's own (STS, S3, IAM), with IAM enforcement on.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .records import Call as Call
    from .records import WorldFacts as WorldFacts
    from .remote import RemoteWorld as RemoteWorld
    from .world import World as World

_HOME_OF = {"Call": "records", "WorldFacts": "records", "RemoteWorld": "remote", "World": "world"}


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
