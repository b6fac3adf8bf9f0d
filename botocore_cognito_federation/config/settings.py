"""What the rest of the product sees of a configuration: one frozen object, each value knowing where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..identity_providers import IdentityProvider


@dataclass(frozen=True)
class Origin:
    """Where a value came from, in words a user can act on.

    Attributes:
        layer: ``flag``, ``environment``, ``profile``, ``session``, ``argument``, ``botocore`` or ``default``.
        place: the flag, the variable, or the section and file.
    """

    layer: str
    place: str

    def __str__(self) -> str:
        return self.place

    def written(self, key: str, value: str) -> str:
        """The remedy that gives a key another value where it was given."""
        if self.layer == "environment":
            return f"Set {self.place}={value}"
        if self.layer == "argument":
            return f"Pass {self.place}={value!r}"
        return f"Give {self.place} {value}" if self.layer == "flag" else f"Write {key} = {value} in {self.place}"

    def removed(self, key: str) -> str:
        """The remedy that takes a key away where it was given."""
        if self.layer == "environment":
            return f"Unset {self.place}"
        return f"Leave out {self.place}" if self.layer in ("flag", "argument") else f"Remove {key} from {self.place}"

    def added(self, key: str, value: str) -> str:
        """The remedy that adds a key where another one was given."""
        if self.layer == "argument":
            return f"Pass {key}={value!r}"
        in_file = self.layer in ("profile", "session")
        return f"Add {key} = {value} to {self.place}" if in_file else f"Add {key} = {value} to the profile"


DEFAULT = Origin("default", "default")


@dataclass(frozen=True)
class RawValue:
    """The text of a value as it was given, and where."""

    text: str
    origin: Origin


@dataclass(frozen=True)
class Settings:
    """A resolved and validated configuration.

    The fields carry the names of their keys without ``cognito_``; durations are whole seconds. `provider` is None when
    the Logins key is to be read from the login token's own ``iss``. `endpoint` is where botocore would send calls to
    cognito-identity when something other than AWS's own endpoint is configured, `sts_endpoint` the same of STS; `fips`,
    `dual_stack` and `ca_bundle` are AWS's own settings of the profile. `guest` tells the guests of one application
    apart; a profile has one guest. `identity_pool_id` is None where there is no pool (``web-identity``).
    """

    identity_pool_id: str | None
    profile: str | None = None
    session: str | None = None
    provider: IdentityProvider | None = None
    region_name: str | None = None
    client_id: str | None = None
    client_secret_env: str | None = None
    client_secret_command: str | None = None
    client_assertion_key_file: str | None = None
    client_assertion_key_command: str | None = None
    client_certificate: str | None = None
    scopes: tuple[str, ...] = ()
    auth_params: tuple[tuple[str, str], ...] = ()
    grant: str = "auto"
    redirect_uri: str | None = None
    redirect_ports: tuple[int, ...] = ()
    token_file: str | None = None
    token_env: str | None = None
    token_url: str | None = None
    token_source: str | None = None
    token_command: str | None = None
    refresh_handler: str | None = None
    token_audience: str | None = None
    token_field: str | None = None
    token_headers_env: str | None = None
    subject_token_file: str | None = None
    subject_token_env: str | None = None
    subject_token_type: str | None = None
    requested_token_type: str | None = None
    developer_provider: str | None = None
    developer_user: str | None = None
    developer_profile: str | None = None
    identity_id: str | None = None
    role_arn: str | None = None
    flow: str = "enhanced"
    duration_seconds: int | None = None
    role_session_name: str | None = None
    assume_role_arn: str | None = None
    assume_role_session_name: str | None = None
    assume_role_duration_seconds: int | None = None
    assume_role_external_id: str | None = None
    assume_role_policy: str | None = None
    assume_role_policy_arns: tuple[str, ...] = ()
    assume_role_tags: tuple[tuple[str, str], ...] = ()
    assume_role_source_identity: str | None = None
    logins: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    account_id: str | None = None
    endpoint_url: str | None = None
    endpoint: str | None = None
    fips: bool = False
    dual_stack: bool = False
    ca_bundle: str | None = None
    sts_endpoint: str | None = None
    cache: str = "file"
    cache_url: str | None = field(default=None, repr=False)
    cache_key_env: str | None = None
    cache_key_file: str | None = None
    cache_key_command: str | None = None
    cache_sessions: str = "local"
    cache_sessions_url: str | None = field(default=None, repr=False)
    auto_login: str = "never"
    refresh_window: int | None = None
    retry_seconds: int = 45
    fail_closed: bool = False
    user_pool_id: str | None = None
    username: str | None = None
    preferred_challenge: str | None = None
    guest: str = ""
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, hash=False, repr=False)

    def changed(self, **values: Any) -> Settings:
        """Return a copy with other values; for so many fields `dataclasses.replace` takes ten times as long."""
        assert values.keys() <= vars(self).keys(), "these are fields"
        made = copy(self)
        vars(made).update(values)
        return made

    @property
    def pool_region(self) -> str:
        """The region of the identity pool: the prefix of its ID, whatever region the profile works in.

        Without a pool it is the profile's, or else the first one of the role's partition.
        """
        if self.identity_pool_id is not None:
            return self.identity_pool_id.partition(":")[0]
        partition = (self.role_arn or "").split(":")[1:2]
        return self.region_name or _FIRST_REGIONS.get("".join(partition), "us-east-1")

    @property
    def place(self) -> str:
        """Where a login token is exchanged: the ID of the identity pool, or the ARN of the role without one."""
        return self.identity_pool_id or self.role_arn or ""

    @property
    def issued_by(self) -> str:
        """What turns a login token into credentials, in words."""
        return f"{'identity pool' if self.identity_pool_id else 'role'} {self.place}"

    @property
    def is_guest(self) -> bool:
        return self.provider is not None and self.provider.name == "guest"

    @property
    def signs_in_to_user_pool(self) -> bool:
        """Whether people sign in to the user pool here, by password, code or passkey, and not on its hosted pages."""
        at_user_pool = self.provider is not None and self.provider.name == "user-pool"
        by_itself = self.username is not None or self.preferred_challenge is not None
        return at_user_pool and (self.grant == "srp" or (self.grant == "auto" and by_itself))

    @property
    def scope(self) -> str:
        """The name under which a sign-in and a sign-out act: the session shared by profiles, or the profile itself."""
        return f"session {self.session}" if self.session else f"profile {self.profile or 'default'}"

    def origin(self, name: str) -> Origin:
        """Where the value of the key `name` (without its prefix) came from."""
        return self.origins.get(name, DEFAULT)


#: The first region of each partition, enabled in every account (``implicitGlobalRegion`` of botocore's partitions).
_FIRST_REGIONS = {
    "aws": "us-east-1",
    "aws-cn": "cn-northwest-1",
    "aws-us-gov": "us-gov-west-1",
    "aws-eusc": "eusc-de-east-1",
    "aws-iso": "us-iso-east-1",
    "aws-iso-b": "us-isob-east-1",
    "aws-iso-e": "eu-isoe-west-1",
    "aws-iso-f": "us-isof-south-1",
}


def profile_section(profile: str | None) -> str:
    """The section of a profile in ``~/.aws/config``."""
    return "default" if profile in (None, "default") else f"profile {profile}"
