"""botocore's side: the provider, its credentials object, and how it gets into every session's chain."""

from __future__ import annotations

from .chain import install, uninstall

__all__ = ["install", "uninstall"]
