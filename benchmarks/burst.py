"""Rows about 64 processes at once, whose sign-in has to be renewed first, against the same with an answer ready."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.servers.rotating_provider import CLIENT_ID, FIRST, RotatingProvider

from .laboratory import Laboratory
from .measuring import Spread, Unmeasurable
from .rows import Row

_PROCESSES, _REPEATS = 64, 5
_OVERHEAD = 1.15
_PROFILE = "signed-in"
#: Keeps the sign-in of somebody whose login token has expired meanwhile.
_SIGN_IN = """
import os, sys, time
from botocore_cognito_federation.cache.sessions import Session, Sessions
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.factory import store_for
profile, token, refresh_token = sys.argv[1:]
settings = load_settings(profile)
now = time.time()
session = Session(
    sign_in_id="1", subject="ada", user={}, login_token=token, token_expires_at=now - 60, refresh_token=refresh_token,
    signed_in_at=now - 3660, sign_out_epoch="",
)
Sessions(settings, store_for(settings, os.environ)).write(session)
"""


def rows(laboratory: Laboratory) -> list[Row]:
    """Cold burst over (one cold call + 1.15 warm bursts), and what was asked of provider and pool."""
    shares: list[float] = []
    asked: dict[str, list[int]] = {"burst.refreshes": [], "burst.identities": [], "burst.credentials": []}
    with RotatingProvider() as provider:
        start_over = _signed_in(laboratory, provider)
        for _ in range(_REPEATS):
            start_over()
            one = _seconds(laboratory, 1)
            warm = _seconds(laboratory, _PROCESSES)
            start_over()
            cold = _seconds(laboratory, _PROCESSES)
            shares.append(cold / (one + _OVERHEAD * warm))
            if provider.refused:
                raise Unmeasurable("a refresh token was spent twice")
            asked["burst.refreshes"].append(provider.spent)
            asked["burst.identities"].append(len(laboratory.world.calls("GetId")))
            asked["burst.credentials"].append(len(laboratory.world.calls("GetCredentialsForIdentity")))
    laboratory.forget()
    laboratory.warm()
    at = Spread.of(shares)
    share = Row("burst.wall", at.median, spread=(at.low, at.high))
    return [share, *(Row(key, max(counts), spread=(min(counts), max(counts))) for key, counts in asked.items())]


def _signed_in(laboratory: Laboratory, provider: RotatingProvider) -> Callable[[], None]:
    """Add a profile that has signed in; what is returned puts it back to where the sign-in has to be renewed."""
    world = laboratory.world
    world.trust_issuer(provider.issuer, [CLIENT_ID])
    keys = {
        "region": world.facts.region,
        "cognito_identity_pool_id": world.facts.pool_id,
        "cognito_provider": provider.login_key,
        "cognito_issuer": provider.issuer,
        "cognito_client_id": CLIENT_ID,
        "cognito_endpoint_url": world.facts.endpoint_url,
    }
    config = Path(laboratory.environment["AWS_CONFIG_FILE"])
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    config.write_text(f"{config.read_text()}\n[profile {_PROFILE}]\n{lines}")
    laboratory.forget()
    program = [laboratory.python, "-c", _SIGN_IN, _PROFILE, provider.id_token(expires_in=-60), FIRST]
    subprocess.run(program, env=laboratory.environment, check=True, capture_output=True)
    (kept,) = (laboratory.cache / "sessions").glob("*.json")
    session = kept.read_bytes()

    def start_over() -> None:
        laboratory.forget()
        kept.parent.mkdir(mode=0o700, parents=True)
        laboratory.cache.chmod(0o700)
        kept.touch(0o600)
        kept.write_bytes(session)
        provider.start_over()
        world.reset_journal()

    return start_over


def _seconds(laboratory: Laboratory, processes: int) -> float:
    command = [*laboratory.helper[:-1], _PROFILE]
    start = time.perf_counter()
    running = [
        subprocess.Popen(command, env=laboratory.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(processes)
    ]
    outputs = [process.communicate() for process in running]
    seconds = time.perf_counter() - start
    answers = {output for output, _ in outputs}
    if len(answers) != 1 or any(process.returncode for process in running):
        errors = b" ".join({error for _, error in outputs})
        raise Unmeasurable(f"{processes} processes did not get one answer: {errors[:300]!r}")
    return seconds
