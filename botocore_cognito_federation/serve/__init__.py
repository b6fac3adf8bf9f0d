"""How credentials reach other programs: their environment, the container endpoint, the console."""

from __future__ import annotations
