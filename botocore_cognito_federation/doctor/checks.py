"""Runs the checks of a profile, causes before effects; and checks what botocore and AWS say to the profile."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime

from botocore.exceptions import BotoCoreError, InvalidRegionError, NoRegionError
from botocore.session import Session

from .._util.http import HttpClient, ServerBusyError
from ..botocore_plugin.provider import session_of_other_profile
from ..cache.credentials import CredentialCache
from ..config.configure import Files, signs_people_in
from ..config.loader import known_config, merged_config
from ..config.mistakes import near_misses
from ..config.profiles import find_overrides, limit_of_window, load_settings, source_of_chain
from ..config.settings import Settings, profile_section
from ..errors import (
    CognitoFederationError,
    ConfigurationError,
    SignInRequiredError,
    TemporaryError,
)
from ..factory import fetcher_for, identity_pool_for, store_for, system_clock
from ..identity_pool.aws import suppress_wire_logs
from ..identity_pool.client import Clients, fixed_identity
from ..identity_providers import derive_login_key
from ..login_token import Login
from ..messages import clock_difference, login_command, printable
from . import CheckContext, CheckResult, Fix, in_order
from .helper import helper
from .machine import (
    client,
    failure,
    notes,
    other_identities,
    places,
    provider,
    redirect_ports,
    requirements,
    shared_cache,
    sign_in,
)

logger = logging.getLogger(__name__)

Check = Callable[[CheckContext], Iterator[CheckResult]]
#: Seconds by which a clock may be off unnoticed; AWS refuses signatures from 300.
_UNNOTICED = 60.0
_REFUSED_FROM = 240.0


def _exchange_of(settings: Settings) -> str:
    """The name of the checks about what turns a login token into credentials."""
    return "identity pool" if settings.identity_pool_id is not None else "role"


def shadows(context: CheckContext) -> Iterator[CheckResult]:
    """What takes precedence over the profile."""
    found = [each for each in find_overrides(context.settings, context.environ) if _NO_LINE not in each]
    for sentence in found:
        what, _, remedy = sentence.rpartition(". ")
        if context.is_named and _UNNAMED_ONLY in what:
            yield CheckResult("precedence", "note", what, remedy)
        else:
            yield CheckResult("precedence", "error", what, remedy, ConfigurationError.exit_code)
    if not found:
        yield CheckResult("precedence", "ok", "Nothing takes precedence over this profile")


#: Parts of sentences of `find_overrides`: what `helper` says, and what concerns only programs that name no profile.
_NO_LINE = "has no credential_process"
_UNNAMED_ONLY = "clients without an explicit profile"


def near_keys(context: CheckContext) -> Iterator[CheckResult]:
    """Keys of the profile that nearly are keys of this tool, and so have no effect."""
    place = _place(context)
    profiles = known_config(Files.of(context.environ).config)["profiles"]
    for key, meant in near_misses(profiles.get(context.profile, {})):
        what = f"{place} has {key!r}, which is not a key, so it has no effect; {meant} is one"
        yield CheckResult("configuration", "warning", what, f"Write {meant} instead of {key} in {place}")


def names(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the Logins key is the one that Cognito expects of the issuer."""
    found = context.settings.provider
    if found is None or found.issuer is None or found.login_key is None:
        return
    derived = derive_login_key(found.issuer)
    aliases = {derive_login_key(alias) for alias in found.accepted_issuers}
    if found.kind == "oidc" and found.login_key not in aliases:
        what = f"The Logins key is {found.login_key}, and the issuer {found.issuer} makes it {derived}"
        yield CheckResult("login key", "warning", what, "Remove cognito_login_key unless the identity pool has it so")


def window(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the credentials can be renewed as early as is configured."""
    what, _, remedy = limit_of_window(context.settings).rpartition(". ")
    if what:
        yield CheckResult("refresh window", "warning", what, remedy)


def clocks(context: CheckContext) -> Iterator[CheckResult]:
    """Whether Cognito can be reached, and whether this machine's clock agrees with its and the provider's."""
    settings, addresses = context.settings, {}
    clients = Clients(settings)
    with suppress_wire_logs():
        if settings.identity_pool_id is not None:
            addresses["Cognito"] = str(clients.cognito_identity().meta.endpoint_url)
        else:
            # Without a query STS sends browsers to its page; this unsigned question it refuses itself, with the time.
            endpoint = str(clients.unsigned_sts().meta.endpoint_url).removesuffix("/")
            addresses["STS"] = f"{endpoint}/?Action=GetCallerIdentity&Version=2011-06-15"
    at_provider = settings.provider is not None and settings.provider.issuer and signs_people_in(settings)
    if at_provider and settings.provider is not None and not context.unreachable:
        issuer = str(settings.provider.issuer).removesuffix("/")
        addresses["the identity provider"] = f"{issuer}/.well-known/openid-configuration"
    http = HttpClient(ca_bundle=settings.ca_bundle)
    for whose, address in addresses.items():
        yield from _clock(context, whose, address, http.for_issuer(address))


def _clock(context: CheckContext, whose: str, address: str, http: HttpClient) -> Iterator[CheckResult]:
    try:
        theirs = _date(http.get(address).headers.get("date"))
    except ServerBusyError:
        return
    except TemporaryError as error:
        context.unreachable.append(whose)
        yield CheckResult.of("network" if whose in ("Cognito", "STS") else "provider", error)
        return
    except CognitoFederationError as error:
        logger.debug("No clock to compare with at %s: %s", address, error.what)
        return
    if theirs is None:
        return
    ahead = time.time() - theirs
    what = clock_difference(ahead, f"that of {whose}")
    if abs(ahead) >= _REFUSED_FROM:
        yield CheckResult("clock", "error", what, "Set the clock, or let it be set (NTP)", ConfigurationError.exit_code)
    elif abs(ahead) >= _UNNOTICED:
        yield CheckResult("clock", "warning", what, "Set the clock, or let it be set (NTP)")
    else:
        yield CheckResult("clock", "ok", f"This machine's clock agrees with that of {whose}")


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def token_and_pool(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the login token fits the configuration, the identity pool takes it, and the roles can be had."""
    settings = context.settings
    if context.unreachable:
        what = f"The exchange at the {_exchange_of(settings)} was not tried: {context.unreachable[0]} does not answer"
        yield CheckResult(_exchange_of(settings), "skipped", what)
        return
    if settings.is_guest:
        yield from _guest(context)
        return
    try:
        # An examination never opens a browser.
        quiet = replace(settings, auto_login="never")
        login = fetcher_for(quiet, store=context.store, open_session=session_of_other_profile).login()
    except SignInRequiredError as error:
        if signs_people_in(settings):
            what = f"The exchange at the {_exchange_of(settings)} was not tried, because the user is not signed in"
            yield CheckResult(
                _exchange_of(settings), "skipped", what, f"Run: {login_command(settings)}, then doctor again"
            )
        else:
            yield CheckResult.of("login token", error)
        return
    except CognitoFederationError as error:
        yield CheckResult.of("login token", error)
        return
    if login is not None:
        yield from _claims(settings, login)
        yield from _exchange(settings, login)


def _exchange(settings: Settings, login: Login | None, identity_id: str | None = None) -> Iterator[CheckResult]:
    pool = identity_pool_for(settings)
    try:
        if settings.identity_pool_id is not None:
            identity_id = identity_id or fixed_identity(settings, login) or pool.get_id(login)
        credentials = pool.exchange(identity_id, login).credentials
    except CognitoFederationError as error:
        yield CheckResult.of(_exchange_of(settings), error)
        return
    of = "the token" if login is not None else "guests"
    whose = f"identity {credentials.identity_id}" if credentials.identity_id else f"user {credentials.user_id}"
    yield CheckResult(_exchange_of(settings), "ok", f"{settings.place} takes {of} and gives credentials: {whose}")


def _guest(context: CheckContext) -> Iterator[CheckResult]:
    """Try guests only with an identity that they have already: each try without one makes another."""
    settings = context.settings
    cache = CredentialCache(settings, context.store, system_clock())
    known = settings.identity_id or cache.identity_id(cache.entry(None))
    if known is not None:
        yield from _exchange(settings, None, known)
        return
    what = "Guest access was not tried here, because a try without a known identity makes a new one"
    yield CheckResult("identity pool", "skipped", what, "The line of credential_process shows it, or the first use")


def _claims(settings: Settings, login: Login) -> Iterator[CheckResult]:
    claims = login.token.claims
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if settings.client_id is not None and audiences and settings.client_id not in audiences:
        what = f"The login token is for {', '.join(map(str, audiences))[:200]}, not for cognito_client_id"
        whose = "identity pool's provider" if settings.identity_pool_id else "OIDC provider in IAM"
        yield CheckResult("audience", "warning", what, f"Let the {whose} have the audience of the token")
    issuer = login.token.issuer
    configured = settings.provider.accepted_issuers if settings.provider else ()
    if issuer is not None and configured and issuer.removesuffix("/") not in {i.removesuffix("/") for i in configured}:
        what = f"The login token comes from {issuer[:200]}, and the configuration names {configured[0]}"
        yield CheckResult("issuer", "error", what, f"Set cognito_provider = {derive_login_key(issuer)[:200]}", 4)


def client_of_profile(context: CheckContext) -> Iterator[CheckResult]:
    """Make a client as a program does, by the profile's region, services section and other keys of AWS's."""
    settings = context.settings
    session = Session(profile=settings.profile)
    # What was parsed already does for this session too: files with thousands of profiles take seconds.
    vars(session)["_config"] = dict(merged_config(context.environ))
    place = _place(context)
    yield from _missing(session, place)
    region = settings.region_name or ""
    bare = region.strip("\"' ")
    fix = Fix(context.profile, {"region": bare}) if bare and bare != region and settings.profile else None
    try:
        # Keys are given so that none are asked for. SQS is a service with regional endpoints and a small model.
        session.create_client("sqs", aws_access_key_id="x", aws_secret_access_key="x")
    except NoRegionError:
        pool = settings.pool_region
        what = "No region is configured, so clients of most services fail with: You must specify a region"
        fix = Fix(settings.profile, {"region": pool}) if settings.profile else None
        yield CheckResult("client", "warning", what, f"Add region = {pool} to {place}", fix=fix)
    except InvalidRegionError:
        named = f"region = {region} of {place}" if region else "AWS_DEFAULT_REGION"
        remedy = f"Write region = {bare} in {place}" if fix else "Correct it"
        why = ", because of its quotes" if fix else ""
        what = f"No client can be made: {named} is not the name of a region{why}"
        yield CheckResult("client", "error", what, remedy, ConfigurationError.exit_code, fix)
    except (BotoCoreError, ValueError) as error:
        if "services" in str(error):
            return  # said already
        what = f"No client can be made for the profile: {printable(str(error), 300).rstrip('.')}"
        remedy = f"Correct that key in {place}"
        yield CheckResult("client", "error", what, remedy, ConfigurationError.exit_code)
    else:
        found = str(session.get_config_variable("region"))
        yield from _unknown_region(session, found)


def _place(context: CheckContext) -> str:
    """The section of the profile, and its file."""
    return f"[{profile_section(context.profile)}] in {Files.of(context.environ).config}"


def _missing(session: Session, place: str) -> Iterator[CheckResult]:
    """What the profile names and what is not there; not every client and not every endpoint comes by it."""
    scoped, services = session.get_scoped_config(), session.full_config.get("services", {})
    named = scoped.get("services")
    if named is not None and named not in services:
        what = f"The profile names services = {printable(str(named), 60)}, and there is no [services {named}]"
        remedy = f"Remove services from {place}, or add that section"
        yield CheckResult("client", "error", what, remedy, ConfigurationError.exit_code)
    bundle = session.get_config_variable("ca_bundle")
    if isinstance(bundle, str) and not os.path.isfile(bundle):
        why = "; botocore does not expand ~" if bundle.startswith("~") else ""
        what = f"The CA certificates {printable(bundle, 200)} (ca_bundle or AWS_CA_BUNDLE) are not there{why}"
        in_profile = scoped.get("ca_bundle") == bundle
        way = f"Write ca_bundle = FILE in {place}" if in_profile else "Set AWS_CA_BUNDLE=FILE"
        remedy = f"{way} with the path of the certificates, or remove it"
        yield CheckResult("client", "error", what, remedy, ConfigurationError.exit_code)


def _unknown_region(session: Session, region: str) -> Iterator[CheckResult]:
    known = {
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("ec2", partition_name=partition, allow_non_regional=True)
    }
    if region in known:
        yield CheckResult("client", "ok", f"Clients can be made for the profile, in {region}")
    else:
        what = f"Clients are made for the region {region}, which this version of botocore does not know"
        yield CheckResult("client", "warning", what, "Check region in the profile, and AWS_DEFAULT_REGION")


#: Each check, and whether it asks other machines; causes before effects.
_CHECKS: tuple[tuple[Check, bool], ...] = (
    (requirements, False),
    (shadows, False),
    (places, False),
    (shared_cache, True),
    (near_keys, False),
    (names, False),
    (window, False),
    (client, False),
    (redirect_ports, False),
    (provider, True),
    (clocks, True),
    (sign_in, False),
    (helper, False),
    (client_of_profile, False),
    (token_and_pool, True),
    (other_identities, False),
    (failure, False),
    (notes, False),
)


#: What stopped a check that has no finding of its own for it.
_UNEXPECTED = "examination"


def run_checks(profile: str | None, environ: Mapping[str, str], *, offline: bool = False) -> list[CheckResult]:
    """Check everything of a profile; what to fix first comes first.

    Nothing is changed, and no browser opens. A provider or an AWS endpoint that does not answer is waited for once.

    Args:
        profile: its name; None for the one in use.
        environ: the process environment.
        offline: ask nothing of other machines, and do not start the helper.
    """
    found: list[CheckResult] = []
    try:
        parent = source_of_chain(profile, environ)
        settings = load_settings(parent or profile)
        store = store_for(settings, environ)
    except CognitoFederationError as error:
        return [CheckResult.of("configuration", error)]
    if parent is not None:
        what = f"The profile assumes a role with the credentials of profile {parent}, which is checked here"
        found.append(CheckResult("configuration", "note", what))
        found.append(CheckResult("role", "skipped", "Whether AWS lets the profile assume its role was not tried"))
    found.append(CheckResult("configuration", "ok", f"Profile {settings.profile or 'default'} is a configuration"))
    context = CheckContext(settings, environ, store, offline=offline, is_named=profile is not None)
    for check, is_remote in _CHECKS:
        if is_remote and offline:
            continue
        try:
            found.extend(check(context))
        except CognitoFederationError as error:
            found.append(CheckResult.of(_UNEXPECTED, error))
    told = {each.what for each in found if each.check != _UNEXPECTED}
    return in_order(each for each in found if each.check != _UNEXPECTED or each.what not in told)
