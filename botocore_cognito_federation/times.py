"""Spans of time in words."""

from __future__ import annotations


def span(seconds: float) -> str:
    """A span as a person says it: seconds up to two minutes, minutes up to two hours, hours, days."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{round(whole / 60)} min"
    return f"{round(whole / 3600)} h" if whole < 172_800 else f"{round(whole / 86_400)} days"
