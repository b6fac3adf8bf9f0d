"""Flag before variable before profile before session."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from botocore_cognito_federation.config.loader import Layers, resolve

POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"


LAYERS = ("flags", "environ", "profile", "session")


@given(st.sets(st.sampled_from(LAYERS), min_size=1), st.sampled_from(["client_id", "username", "login_key"]))
def test_flag_before_variable_before_profile_before_session(present, name):
    full_config = {
        "profiles": {"p": {"cognito_session": "s", "cognito_identity_pool_id": POOL, "cognito_provider": "google"}},
        "cognito-session s": {},
    }
    if "profile" in present:
        full_config["profiles"]["p"][f"cognito_{name}"] = "of-profile"
    if "session" in present:
        full_config["cognito-session s"][f"cognito_{name}"] = "of-session"
    layers = Layers(
        profile="p",
        full_config=full_config,
        config_file="config",
        environ={f"COGNITO_FEDERATION_{name.upper()}": "of-environ"} if "environ" in present else {},
        flags={name: "of-flags"} if "flags" in present else {},
    )
    first = next(layer for layer in LAYERS if layer in present)
    settings = resolve(layers)
    value = settings.provider.login_key if name == "login_key" else getattr(settings, name)
    assert value == f"of-{first}"
    assert settings.origin(name).layer == {"flags": "flag", "environ": "environment"}.get(first, first)
