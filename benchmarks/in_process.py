"""Rows about Python programs that get their credentials natively."""

from __future__ import annotations

import json
import statistics
import subprocess
from pathlib import Path
from typing import Any

from .laboratory import Laboratory
from .measuring import Spread, Unmeasurable
from .rows import Row

_PROGRAM = Path(__file__).with_name("native_program.py")
_ROUNDS, _IMPORT_ROUNDS = 15, 40


def rows(laboratory: Laboratory) -> list[Row]:
    return [_importing(laboratory), *_first_call(laboratory), *_per_call(laboratory)]


def _importing(laboratory: Laboratory) -> Row:
    """Both in one process, since a millisecond drowns in the start of two."""
    told = [_tell(laboratory, "import")["milliseconds"] for _ in range(_IMPORT_ROUNDS)]
    at = Spread.of(told)
    what = "import botocore_cognito_federation after botocore.session"
    return Row(what, "ms", at.median, 1.0, spread=(at.low, at.high))


def _first_call(laboratory: Laboratory) -> list[Row]:
    """Fresh processes that alternate: a session, a client and its first request; then the same again in there."""
    first, again, again_cpu = [], [], []
    for _ in range(_ROUNDS):
        native, static = _tell(laboratory, "native"), _tell(laboratory, "static")
        first.append(native["first"] / static["first"])
        again.append(native["again"] / static["again"])
        again_cpu.append(native["again_cpu"] / static["again_cpu"])
    what = "session + client + call, native and warm"
    return [
        _ratio(what, "first in a process, wall x static keys", first, None),
        _ratio(what, "wall x static keys", again, 1.03),
        _ratio(what, "CPU x static keys", again_cpu, None),
    ]


def _per_call(laboratory: Laboratory) -> list[Row]:
    told = _tell(laboratory, "frozen")
    ratio = [ours / theirs for ours, theirs in zip(told["ours"], told["static"], strict=True)]
    return [
        Row("get_frozen_credentials, static Credentials", "ns", statistics.median(told["static"])),
        Row("get_frozen_credentials, ours", "ns", statistics.median(told["ours"])),
        _ratio("get_frozen_credentials", "x static Credentials", ratio, 1.0),
    ]


def _ratio(what: str, unit: str, values: list[float], limit: float | None) -> Row:
    at = Spread.of(values)
    return Row(what, unit, at.median, limit, spread=(at.low, at.high))


def _tell(laboratory: Laboratory, mode: str) -> Any:
    facts = laboratory.world.facts
    environment = {**laboratory.environment, "BENCHMARK_BUCKET": facts.bucket, "BENCHMARK_KEY": facts.object_key}
    if mode == "static":
        answer = json.loads(subprocess.run(laboratory.helper, env=environment, check=True, capture_output=True).stdout)
        environment |= {
            "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
            "AWS_SESSION_TOKEN": answer["SessionToken"],
            "AWS_DEFAULT_REGION": facts.region,
        }
    elif mode == "native":
        environment["AWS_PROFILE"] = "demo-native"
    told = subprocess.run(
        [laboratory.python, str(_PROGRAM), mode], env=environment, capture_output=True, text=True, timeout=120
    )
    if told.returncode:
        raise Unmeasurable(f"{mode}: {told.stderr[-300:]}")
    return json.loads(told.stdout)
