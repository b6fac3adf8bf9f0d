"""The demo world: an identity provider and an identity pool on loopback that really verify tokens.

`World` starts both in threads of this process; `RemoteWorld` controls a world in another process. Needs the extra
``demo``: moto, with IAM enforcement on, provides the services other than the identity pool (STS, S3, IAM).
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
