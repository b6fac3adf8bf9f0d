"""How credentials reach other programs: environment variables, the container endpoint, the AWS console."""

from __future__ import annotations
