"""What `in_process` runs in the environment of the wheel: measures by itself, prints JSON."""

from __future__ import annotations

import gc
import json
import os
import sys
import timeit
from statistics import median
from time import perf_counter, process_time

_CALLS, _REPEATS, _AGAIN, _SIGN_INS = 200_000, 7, 31, 300


def importing() -> dict[str, float]:
    import botocore.session  # noqa: F401

    start = perf_counter()
    import botocore_cognito_federation  # noqa: F401

    return {"milliseconds": (perf_counter() - start) * 1000}


def calling(native: bool) -> dict[str, float]:
    import boto3

    if native:
        from botocore_cognito_federation import install

        install()
    # A collection in the middle of making a client takes longer than what is measured.
    gc.collect()
    gc.disable()
    first = _session_client_call(boto3)
    again = [_session_client_call(boto3) for _ in range(_AGAIN)]
    return {"native.wall": first[0], "native.cpu": first[1], "native.again": median(cpu for _, cpu in again)}


def counted(mode: str) -> None:
    """For a count of instructions: as far as the mode says."""
    import boto3

    if mode in ("installed", "native-called"):
        from botocore_cognito_federation import install

        install()
    # One collection more or less is 28 million instructions, and comes about by a single object.
    gc.collect()
    gc.disable()
    if mode.endswith("called"):
        _session_client_call(boto3)


def _session_client_call(boto3: object) -> tuple[float, float]:
    """Wall and CPU seconds."""
    start, start_cpu = perf_counter(), process_time()
    client = boto3.Session().client("s3")  # type: ignore[attr-defined]  # boto3, imported by the caller
    client.get_object(Bucket=os.environ["BENCHMARK_BUCKET"], Key=os.environ["BENCHMARK_KEY"])["Body"].read()
    return perf_counter() - start, process_time() - start_cpu


def freezing() -> dict[str, list[float]]:
    import boto3
    from botocore.credentials import Credentials

    from botocore_cognito_federation import CognitoFederation, install

    install()
    ours = boto3.Session(profile_name="demo-native").get_credentials()
    assert ours is not None
    static = Credentials("access", "secret", "token")
    federation = CognitoFederation.from_profile("demo-native")
    found: dict[str, list[float]] = {"static": [], "ours": [], "again": []}
    calls = (
        ("static", static.get_frozen_credentials),
        ("ours", ours.get_frozen_credentials),
        ("again", federation.current_credentials),
    )
    for _ in range(_REPEATS):
        for name, call in calls:
            seconds = timeit.timeit(call, number=_CALLS)
            found[name].append(seconds / _CALLS * 1e9)
    return found


def signing_in() -> dict[str, list[float]]:
    """CPU milliseconds of the sign-in of a server's user, and of the two calls that it makes, by turns."""
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.session import Session

    from botocore_cognito_federation import CognitoFederation

    told = json.loads(os.environ["BENCHMARK_SIGN_IN"])
    pool, login_key, token, endpoint = (told[name] for name in ("pool", "login_key", "token", "endpoint"))
    client = Session().create_client(
        "cognito-identity",
        region_name=pool.partition(":")[0],
        endpoint_url=endpoint,
        config=Config(signature_version=UNSIGNED),
    )

    def bare() -> None:
        identity = client.get_id(IdentityPoolId=pool, Logins={login_key: token})["IdentityId"]
        client.get_credentials_for_identity(IdentityId=identity, Logins={login_key: token})

    def ours() -> None:
        CognitoFederation(pool, endpoint_url=endpoint).federated_sign_in(login_key, token)

    found: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(3):  # what the first user of a server pays for all
        bare()
        ours()
    gc.collect()
    gc.disable()
    for _ in range(_SIGN_INS):
        for name, call in (("bare", bare), ("ours", ours)):
            start = process_time()
            call()
            found[name].append((process_time() - start) * 1000)
    return found


def main() -> None:
    mode = sys.argv[1]
    if mode == "import":
        result: object = importing()
    elif mode == "frozen":
        result = freezing()
    elif mode == "sign-in":
        result = signing_in()
    elif mode in ("imported", "installed", "called", "native-called"):
        result = counted(mode)
    else:
        result = calling(mode == "native")
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
