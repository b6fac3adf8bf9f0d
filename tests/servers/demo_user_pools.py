"""Clients of the demo world's user pools: the product's, and plain calls of the API."""

from __future__ import annotations

from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.records import UserPoolFacts
from botocore_cognito_federation.user_pool import UserPool

PASSWORD = "Correct-Horse-1"


def client_of_pools(world: World) -> Any:
    """Return an unsigned client of the user pools that makes one attempt a call."""
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1, "mode": "standard"})
    return boto3.client("cognito-idp", region_name=world.region, endpoint_url=world.endpoint_url, config=config)


def user_pool(world: World, facts: UserPoolFacts, **options: Any) -> UserPool:
    """Return the product's client of a pool, which verifies its ID tokens."""
    return UserPool(
        facts.user_pool_id,
        facts.client_id,
        client_secret=facts.client_secret or None,
        endpoint_url=world.endpoint_url,
        issuer=facts.issuer,
        **options,
    )


def begin(idp: Any, facts: UserPoolFacts, flow: str = "USER_PASSWORD_AUTH", **parameters: str) -> Any:
    """Call InitiateAuth for ada."""
    parameters = {"USERNAME": "ada", **parameters}
    return idp.initiate_auth(ClientId=facts.client_id, AuthFlow=flow, AuthParameters=parameters)


def answer(idp: Any, facts: UserPoolFacts, asked: Any, **responses: str) -> Any:
    """Call RespondToAuthChallenge for ada."""
    return idp.respond_to_auth_challenge(
        ClientId=facts.client_id,
        ChallengeName=asked["ChallengeName"],
        Session=asked["Session"],
        ChallengeResponses={"USERNAME": "ada", **responses},
    )
