"""Under which key a thing is kept: everything that tells one identity's credentials from another's (invariant 11)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..storage.base import key_of

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..exchange.identity_pool import Login


def identity_key(settings: Settings, login: Login | None) -> str:
    """The key of an identity ID: where it was issued, and for whom."""
    return key_of({"what": "identity", **_place(settings), **_who(settings, login)})


def credentials_key(settings: Settings, login: Login | None) -> str:
    """The key of credentials: the identity, and everything that shapes what the pool or STS vends for it."""
    asks_sts = settings.flow == "basic" or settings.assume_role_arn is not None
    return key_of(
        {
            "what": "credentials",
            **_place(settings),
            **_who(settings, login),
            "flow": settings.flow,
            "role": settings.role_arn,
            "duration": settings.duration_seconds,
            "session name": settings.role_session_name,
            "assumed role": settings.assume_role_arn,
            "sts": settings.sts_endpoint if asks_sts else None,
            "assumed in": settings.region_name if settings.assume_role_arn else None,
        }
    )


def links_key(settings: Settings, login: Login) -> str:
    """The key of what is linked to a login: the pool, and who it is; nothing of a role or a flow."""
    own = replace(login, linked=())
    return key_of({"what": "links", **_place(settings), **_who(replace(settings, identity_id=None), own)})


def session_key(settings: Settings) -> str:
    """The key of a sign-in: its scope, and the provider and client it was made with."""
    provider = settings.provider
    return key_of(
        {
            "what": "session",
            "scope": settings.scope,
            "provider": (provider.login_key or provider.name) if provider else None,
            "issuer": provider.issuer if provider else None,
            "client": settings.client_id,
        }
    )


def forgotten_key(scope: str) -> str:
    """The key of the mark that a forgetting of AWS credentials leaves."""
    return key_of({"what": "forgotten", "scope": scope})


def scope_key(scope: str) -> str:
    """The key of a sign-out generation."""
    return key_of({"what": "scope", "scope": scope})


def _place(settings: Settings) -> dict[str, object]:
    return {
        "pool": settings.identity_pool_id,
        "endpoint": settings.endpoint,
        "fips": settings.fips,
        "dual stack": settings.dual_stack,
        "account": settings.account_id,
    }


def _who(settings: Settings, login: Login | None) -> dict[str, object]:
    if settings.identity_id is not None:
        return {"who": f"identity {settings.identity_id}"}
    if login is None:
        return {"who": "guest"}
    who: dict[str, object] = {"who": f"login {login.key}", "subject": login.token.subject}
    for mark in login.linked:
        who[f"linked {mark.key}"] = mark.subject
    return who
