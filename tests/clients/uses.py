"""What the world's journal says about one user: the keys issued to it, and the requests to S3 that they signed."""

from __future__ import annotations

import time
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from botocore_cognito_federation.demo.records import Call
from botocore_cognito_federation.demo.world import World

from .children import ANSWER_TIME, ChildFailed


def pool_client(world: World) -> Any:
    """Return a client for the unsigned calls to the identity pool."""
    return boto3.client(
        "cognito-identity",
        region_name=world.facts.region,
        endpoint_url=world.facts.endpoint_url,
        config=Config(signature_version=UNSIGNED),
    )


def identity_of(world: World, token: str) -> str:
    """Return the identity ID of the user of a login token."""
    facts = world.facts
    return str(pool_client(world).get_id(IdentityPoolId=facts.pool_id, Logins={facts.login_key: token})["IdentityId"])


def issues(world: World, identity: str) -> list[Call]:
    """Return the calls that issued keys to an identity."""
    found = world.calls("GetCredentialsForIdentity")
    return [call for call in found if call.identity_id == identity and call.status < 400]


def uses(world: World, identity: str) -> list[Call]:
    """Return the requests to S3 with keys of an identity."""
    keys = {call.access_key for call in issues(world, identity)}
    return [call for call in world.calls() if call.service == "s3" and call.access_key in keys]


def first_use(world: World, identity: str) -> Call:
    """Wait for the first request to S3 with keys of an identity, and return it.

    Raises:
        ChildFailed: there was none in time.
    """
    deadline = time.monotonic() + ANSWER_TIME
    while time.monotonic() < deadline:
        used = uses(world, identity)
        if used:
            return used[0]
        time.sleep(0.1)
    raise ChildFailed("made no request before its input ended")


def sleep_until(moment: float, world: World) -> None:
    """Sleep until the world's clock shows a moment."""
    time.sleep(max(0.0, moment - (time.time() + world.clock_offset)))
