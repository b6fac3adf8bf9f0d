"""``login --role`` after a sign-in by browser: the ID token names the roles, and the profile gets the chosen one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from botocore_cognito_federation.demo.world import World
from tests.login_tokens.home import caller
from tests.servers import oidc_provider
from tests.sign_in.home import SignInHome

pytestmark = pytest.mark.thorough


def test_a_role_is_chosen_after_a_sign_in_by_browser_where_the_pool_gives_none_by_itself(
    world: World, tmp_path: Path
) -> None:
    roles = [world.authenticated_role_arn, world.other_role_arn]
    pool = world.add_pool(authenticated_role=roles[0], token_roles=True, deny_ambiguous=True)
    with oidc_provider.running(OP_CLAIMS=json.dumps({"cognito:roles": roles})) as server:
        world.trust_issuer(server.issuer, ["native"])
        home = SignInHome(tmp_path / "home", world, server).write(
            cognito_identity_pool_id=pool,
            cognito_provider=server.issuer.removeprefix("http://"),
            cognito_issuer=server.issuer,
            cognito_client_id="native",
            cognito_redirect_ports="0",
        )
        name = roles[1].rpartition("/")[2]
        done = home.login("--role", name)
        assert done.code == 0, done
        assert roles[1] in home.config.read_text()
        assert name in caller(world, home.run("credential-process").document)
