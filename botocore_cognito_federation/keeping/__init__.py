"""What is kept between calls and processes, under which key, for how long, and how a sign-out wins over it."""

from __future__ import annotations
