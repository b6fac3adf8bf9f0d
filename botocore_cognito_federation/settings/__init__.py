"""Configuration: from ``~/.aws/config`` and the environment to one frozen object.

Everything downstream of this package gets `Settings`, never text from a file.
"""

from __future__ import annotations

from .load import load_session_settings, load_settings, settings_of_linked_session, settings_of_session
from .model import Origin, Settings

__all__ = [
    "Origin",
    "Settings",
    "load_session_settings",
    "load_settings",
    "settings_of_linked_session",
    "settings_of_session",
]
