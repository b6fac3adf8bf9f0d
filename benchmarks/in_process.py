"""Rows about Python programs that get their credentials natively."""

from __future__ import annotations

import json
import statistics
import subprocess
from pathlib import Path
from typing import Any

from .laboratory import Laboratory
from .measuring import Spread, Unmeasurable, can_count, instructions
from .rows import Row

_PROGRAM = Path(__file__).with_name("native_program.py")
_ROUNDS, _IMPORT_ROUNDS = 15, 25


def rows(laboratory: Laboratory) -> list[Row]:
    _tell(laboratory, "native", _NATIVE)  # byte code written, an answer ready
    counted = _counted(laboratory) if can_count() else []
    return [
        _importing(laboratory),
        *_first_call(laboratory),
        *counted,
        *_per_call(laboratory),
        *_sign_in(laboratory),
    ]


def _importing(laboratory: Laboratory) -> Row:
    """Both in one process, since a millisecond drowns in the start of two."""
    return _row("import.ms", [_tell(laboratory, "import")["milliseconds"] for _ in range(_IMPORT_ROUNDS)])


def _first_call(laboratory: Laboratory) -> list[Row]:
    """Fresh processes that alternate: a session, a client and its first request; then the same again in there."""
    found: dict[str, list[float]] = {"native.wall": [], "native.cpu": [], "native.again": []}
    static_keys = _static_keys(laboratory)
    for _ in range(_ROUNDS):
        native, static = _tell(laboratory, "native", _NATIVE), _tell(laboratory, "static", static_keys)
        for key, values in found.items():
            values.append(native[key] / static[key])
    return [_row(key, values) for key, values in found.items()]


def _counted(laboratory: Laboratory) -> list[Row]:
    """The same in instructions, of which those up to boto3's import, or up to `install`, are taken off."""
    static_keys = _static_keys(laboratory)
    imported = _count(laboratory, "imported", static_keys)
    static = _count(laboratory, "called", static_keys) - imported
    installed, native = (_count(laboratory, mode, _NATIVE) for mode in ("installed", "native-called"))
    return [
        Row("native.instructions", (native - installed) / static),
        Row("native.installing", (native - imported) / static),
    ]


def _per_call(laboratory: Laboratory) -> list[Row]:
    told = _tell(laboratory, "frozen")
    ratio = [ours / theirs for ours, theirs in zip(told["ours"], told["static"], strict=True)]
    return [
        Row("frozen.static", round(statistics.median(told["static"]))),
        Row("frozen.ours", round(statistics.median(told["ours"]))),
        _row("frozen.ratio", ratio),
        Row("served.again", round(statistics.median(told["again"]))),
    ]


def _sign_in(laboratory: Laboratory) -> list[Row]:
    """A server whose users each sign in with a token of their own."""
    world = laboratory.world
    told = {
        "pool": world.facts.pool_id,
        "login_key": world.provider.login_key,
        "token": world.provider.issue("ada"),
        "endpoint": world.facts.endpoint_url,
    }
    found = _tell(laboratory, "sign-in", {"BENCHMARK_SIGN_IN": json.dumps(told)})
    ratios = [ours / bare for ours, bare in zip(found["ours"], found["bare"], strict=True)]
    return [_row("sign_in.cpu", found["ours"]), _row("sign_in.bare", found["bare"]), _row("sign_in.ratio", ratios)]


def _row(key: str, values: list[float]) -> Row:
    at = Spread.of(values)
    return Row(key, at.median, spread=(at.low, at.high))


_NATIVE = {"AWS_PROFILE": "demo-native"}


def _static_keys(laboratory: Laboratory) -> dict[str, str]:
    told = subprocess.run(laboratory.helper, env=laboratory.environment, check=True, capture_output=True)
    answer = json.loads(told.stdout)
    return {
        "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
        "AWS_SESSION_TOKEN": answer["SessionToken"],
        "AWS_DEFAULT_REGION": laboratory.world.facts.region,
    }


def _environment(laboratory: Laboratory, more: dict[str, str]) -> dict[str, str]:
    facts = laboratory.world.facts
    return {**laboratory.environment, "BENCHMARK_BUCKET": facts.bucket, "BENCHMARK_KEY": facts.object_key, **more}


def _count(laboratory: Laboratory, mode: str, more: dict[str, str]) -> int:
    return instructions([laboratory.python, str(_PROGRAM), mode], _environment(laboratory, more))


def _tell(laboratory: Laboratory, mode: str, more: dict[str, str] | None = None) -> Any:
    told = subprocess.run(
        [laboratory.python, str(_PROGRAM), mode],
        env=_environment(laboratory, more or {}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    if told.returncode:
        raise Unmeasurable(f"{mode}: {told.stderr[-300:]}")
    return json.loads(told.stdout)
