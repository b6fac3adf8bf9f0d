"""The administrator's command: ``pool template``, ``create``, ``check``, ``delete`` and ``policy``."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

import click
from click.core import ParameterSource

from ..administration import access
from ..administration.account import Administrator, Difference, Survey
from ..administration.design import TAG, Design, Rule, check_provider, permissions
from ..administration.templates import FORMATS
from ..cache.sessions import Session, Sessions
from ..config.configure import Files, Request, current_values, make_plan, redirect_uris, write_changes
from ..config.profiles import load_settings, names_in_configuration
from ..errors import ConfigurationError
from ..factory import store_for
from ..identity_providers import IdentityProvider, resolve
from ..messages import flag_of, shell_command
from .app import json_option, offered, print_data, print_json, print_line, profile_flag

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--name", metavar="NAME", default="cognito-federation", help="The identity pool's name."),
    click.option("--region", metavar="R", help="The pool's region; default is that of the administrator's profile."),
    click.option("--provider", metavar="P", help="As cognito_provider: google, user-pool, a domain, …"),
    click.option("--issuer", metavar="URL", help="Issuer URL, where it is not https://PROVIDER."),
    click.option("--user-pool-id", metavar="ID", help="With provider user-pool: which one."),
    click.option("--client-id", "client_ids", metavar="ID", multiple=True, help="OAuth client; may be repeated."),
    click.option("--developer-provider", "developer_name", metavar="NAME", help="The developer provider's name."),
    click.option(
        "--flow",
        type=click.Choice(["enhanced", "basic", "web-identity"]),
        help="As cognito_flow; basic lets the pool take the classic flow too. Default is enhanced.",
    ),
    click.option(
        "--guests/--no-guests",
        default=None,
        help="Also let users in who are not signed in, with a role of their own, or not.",
    ),
    click.option("--tags", is_flag=True, help="Tag sessions with the user's sub and aud."),
    click.option("--policy", "policy_file", metavar="FILE", help="The permissions of signed-in users, a JSON policy."),
    click.option("--allow", metavar="SET", multiple=True, help="Ready-made permissions: s3-prefix:BUCKET or bedrock."),
    click.option("--managed-policy", "managed", metavar="ARN", multiple=True, help="A policy to attach."),
    click.option("--roles-from-token", "token_roles", is_flag=True, help="The ID token names the user's role."),
    click.option("--role-rule", "rules", metavar="CLAIM=VALUE=ARN", multiple=True, help="A claim gives this role."),
    click.option("--allow-ambiguous", is_flag=True, help="No role from token or rules: the usual one, no refusal."),
    click.option("--subject", "subjects", metavar="SUB", multiple=True, help="With web-identity: whose tokens."),
    click.option("--identity-pool-id", metavar="ID", help="An existing pool, where the name is not enough."),
)
_DESIGN = (
    *("name", "region", "provider", "issuer", "user_pool_id", "client_ids", "developer_name", "flow", "guests"),
    *("tags", "policy_file", "allow", "managed", "token_roles", "rules", "allow_ambiguous", "subjects"),
    "identity_pool_id",
)


def _every_profile(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The profiles that a shell offers for an administrator: all, as theirs are not of this tool."""
    return offered(access.profiles(), incomplete)


_ADMIN = click.option(
    "--admin-profile",
    metavar="NAME",
    shell_complete=_every_profile,
    help="The administrator's profile; default is boto3's choice.",
)
_ACCOUNT = click.option("--account-id", metavar="N", help="Refuse to work in any other AWS account.")
#: Flows that a pool has to allow, or that need none; the enhanced one goes with every pool.
_FLOWS = {"basic": "basic", "classic": "basic", "web-identity": "web-identity"}
_NO_POOL = "00000000-0000-0000-0000-000000000000"
_YES = click.option("--yes", is_flag=True, help="Do it without asking.")


def design_options(function: F) -> F:
    """Add the options that say what is wanted; the command gets a `Design` and the profile."""

    @functools.wraps(function)
    def with_design(*args: Any, **given: Any) -> Any:
        own = {name: given.pop(name) for name in _DESIGN}
        return function(*args, design=_design(own, given["profile"], given.get("admin_profile")), **given)

    for option in reversed(_OPTIONS):
        with_design = option(with_design)
    return profile_flag(cast(F, with_design))


def _design(given: Mapping[str, Any], profile: str | None, admin_profile: str | None) -> Design:
    pool_id, client_ids = given["identity_pool_id"] or "", given["client_ids"]
    guests, flow = _let_in(given["guests"], given["flow"], profile)
    provider: IdentityProvider | None = None
    name = given["provider"] or ("developer" if given["developer_name"] else None)
    if name:
        provider = resolve(name, issuer=given["issuer"], user_pool_id=given["user_pool_id"])
    elif profile:
        settings = load_settings(profile)
        provider, pool_id = settings.provider, pool_id or settings.identity_pool_id or ""
        if settings.is_guest:
            raise ConfigurationError(
                f"Profile {profile} is for guests, and does not say who else signs in to the pool",
                remedy="Name their provider: --provider DOMAIN --client-id ID",
            )
        client_ids = client_ids or ((settings.client_id,) if settings.client_id else ())
    if provider is None:
        raise ConfigurationError(
            "There is no provider to make a pool for", remedy="Name it: --provider DOMAIN --client-id ID"
        )
    region = given["region"] or pool_id.partition(":")[0] or access.session_of(admin_profile).region_name
    if flow == "web-identity" and not region and profile:
        region = current_values(Files.of(os.environ), profile, None)[1].get("region")
    if not region:
        raise ConfigurationError("There is no region for the pool", remedy="Name it: --region eu-west-1")
    partition = access.partition_of(region)
    return Design(
        given["name"],
        region,
        partition,
        provider,
        client_ids=client_ids,
        flow=flow or "enhanced",
        guests=bool(guests),
        undecided=frozenset(name for name, value in (("guests", guests), ("flow", flow)) if value is None),
        permissions=permissions(given["policy_file"], given["allow"], region=region, partition=partition),
        managed_policies=given["managed"],
        developer_name=given["developer_name"] or "",
        rules=tuple(map(Rule.parse, given["rules"])),
        identity_pool_id=pool_id,
        **{name: given[name] for name in ("tags", "token_roles", "allow_ambiguous", "subjects")},
    )


def _let_in(guests: bool | None, flow: str | None, profile: str | None) -> tuple[bool | None, str | None]:
    """Return whether guests are let in, and the flow: as options or the users' profile say; None if neither does."""
    present = current_values(Files.of(os.environ), profile, None)[1] if profile else {}
    if guests is None and present.get("provider") == "guest":
        guests = True
    if flow is None and present:
        flow = _FLOWS.get(present.get("flow", "").lower())
    return guests, flow


def _in_pool(design: Design) -> Design:
    if design.flow == "web-identity":
        raise click.UsageError("The flow web-identity has no identity pool. Use: pool template --flow web-identity")
    return design


def _agreed(yes: bool) -> bool:
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("Nothing has been changed. Run it again with --yes to do this")
    return click.confirm("Do this?", default=False, err=True)


def _show(survey: Survey) -> None:
    for change in survey.differences:
        print_line(f"- {change.what}", err=True)
    for note in (*survey.choices, *survey.notes):
        print_line(f"Look at this: {note}", err=True)


@click.group("pool")
def pool_command() -> None:
    """Make, check and delete an identity pool with its provider and roles, as an administrator of the AWS account."""


@pool_command.command("create")
@design_options
@_ADMIN
@_ACCOUNT
@click.option("--client-has-secret", is_flag=True, help="Do not ask the provider whether it knows the client.")
@click.option("--offline", is_flag=True, help="Ask the provider nothing.")
@_YES
@json_option
def create(
    design: Design,
    profile: str | None,
    admin_profile: str | None,
    account_id: str | None,
    client_has_secret: bool,
    offline: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Make what is missing, and correct what differs; shows it first. Can be run again after any failure."""
    if not offline:
        provider = check_provider(design.provider, design.client_ids, with_secret=client_has_secret)
        design = replace(design, provider=provider)
    if profile is not None:  # so that nothing is made for a profile that cannot be written
        keys = _profile_keys(design, design.identity_pool_id or f"{design.region}:{_NO_POOL}", profile)
        make_plan(Request(profile, None, keys), Files.of(os.environ))
    administrator = access.administrator(_in_pool(design), admin_profile, account_id)
    survey = _survey(administrator, profile)
    _show(survey)
    if not survey.differences:
        print_line("Everything is there: nothing to change", err=True)
    elif not _agreed(yes):
        return
    access.apply(survey.differences, design, lambda what: print_line(f"Corrected: {what}", err=True))
    if as_json:
        print_json({"identity_pool_id": administrator.pool_id, **_document(survey)})
    else:
        print_data(administrator.pool_id)
    for uri in redirect_uris(load_settings(profile)) if profile is not None else ():
        print_line(f"Register this redirect URI at the identity provider, exactly as it is: {uri}", err=True)
    session = _session_of(profile)
    if session is not None:
        print_line(f"{session.user_name} is signed in with profile {profile}, and stays so", err=True)
    else:
        print_line(f"Then run: {_next_command(design, administrator.pool_id, profile)}", err=True)


def _survey(administrator: Administrator, profile: str | None) -> Survey:
    """Return what differs in the account, and in the profile of the users if one is named."""
    survey = access.looked_at(administrator.survey, administrator.design)
    if profile is None:
        return survey
    notes = [*survey.notes, *_tags_without_claims(administrator, profile)]
    differences = [*survey.differences, *_profile_differences(administrator, profile)]
    return replace(survey, differences=differences, notes=notes)


def _tags_without_claims(administrator: Administrator, profile: str) -> list[str]:
    """Return what the pool maps in vain for the user who is signed in with a profile; nothing where no user is."""
    session = _session_of(profile) if administrator.pool_id else None
    token = session.token() if session is not None else None
    if token is None:
        return []
    return access.looked_at(lambda: administrator.tags_without_claims(token.claims), administrator.design)


def _session_of(profile: str | None) -> Session | None:
    """Return the sign-in of a profile; None where nobody is signed in, or where there is no such profile."""
    if profile is None or profile not in names_in_configuration(os.environ)[0]:
        return None
    settings = load_settings(profile)
    return Sessions(settings, store_for(settings, os.environ)).read()


def _profile_differences(administrator: Administrator, profile: str) -> list[Difference]:
    files = Files.of(os.environ)
    present = current_values(files, profile, None)[1]
    wanted = _profile_keys(administrator.design, administrator.pool_id, profile)
    differs = [key for key, value in wanted.items() if not value or present.get(key) != value]
    if not differs:
        return []

    def write() -> None:
        keys = _profile_keys(administrator.design, administrator.pool_id, profile)
        plan = make_plan(Request(profile, None, keys), files)
        write_changes(plan.changes, files, store_for(plan.settings, os.environ))

    named = ", ".join(f"cognito_{key}" for key in differs)
    return [Difference(f"Profile {profile} lacks {named}, or has another value", write)]


def _profile_keys(design: Design, pool_id: str, profile: str) -> dict[str, str]:
    """Return the keys of a user's profile; one for guests stays one, and names the pool only."""
    if current_values(Files.of(os.environ), profile, None)[1].get("provider") == "guest":
        return {"identity_pool_id": pool_id}
    return user_keys(design, pool_id)


def user_keys(design: Design, pool_id: str) -> dict[str, str]:
    """Return the configuration keys of a user of the pool, without their prefix."""
    provider = design.provider
    keys = {"identity_pool_id": pool_id}
    if provider.kind == "developer":
        return {**keys, "provider": "developer"}
    if provider.kind == "saml":
        return {**keys, "provider": "saml", "login_key": design.login_key}
    keys["provider"] = provider.name
    if provider.name == "user-pool":  # not as a domain: sign-in by password needs the pool
        keys["user_pool_id"] = design.login_key.rpartition("/")[2]
    if provider.issuer_is_exact and provider.issuer:
        keys["issuer"] = provider.issuer
    return {**keys, "client_id": design.client_ids[0]}


def _next_command(design: Design, pool_id: str, profile: str | None) -> str:
    if profile is not None:
        return shell_command("cognito-federation", "login", "--profile", profile)
    flags = []
    for key, value in user_keys(design, pool_id).items():
        known = key in ("identity_pool_id", "provider", "client_id", "issuer")
        flags += [flag_of(key), value] if known else ["--set", f"{key}={value}"]
    return shell_command("cognito-federation", "configure", *flags)


def _document(survey: Survey) -> dict[str, Any]:
    differences = [one.what for one in survey.differences]
    return {"differences": differences, "choices": survey.choices, "notes": survey.notes}


@pool_command.command("check")
@design_options
@_ADMIN
@_ACCOUNT
@json_option
def check(design: Design, profile: str | None, admin_profile: str | None, account_id: str | None, as_json: bool) -> int:
    """Say what would refuse whom, with the command that corrects it; exit code 1 if there is anything."""
    administrator = access.administrator(_in_pool(design), admin_profile, account_id)
    survey = _survey(administrator, profile)
    found = [*(one.what for one in survey.differences), *survey.choices]
    fix = shell_command("cognito-federation", "pool", "create", *_given_flags(profile), "--yes")
    if as_json:
        fixed_by = {"fix": fix if found else None}
        print_json({"identity_pool_id": administrator.pool_id, **_document(survey), **fixed_by})
        return 1 if found else 0
    for what in found:
        print_line(what)
    for note in survey.notes:
        print_line(f"Look at this: {note}", err=True)
    if survey.choices:
        print_line(f"Nothing is turned off unless you say so. Add your choice to: {fix}", err=True)
    else:
        print_line(f"To correct it, run: {fix}" if found else "Everything is as it should be", err=True)
    return 1 if found else 0


def _given_flags(profile: str | None) -> list[str]:
    """Return the options of this command as they were given, for `create`."""
    context, words = click.get_current_context(), ["--profile", profile] if profile else []
    for option in context.command.params:
        name, value = option.name or "", context.params.get(option.name or "")
        if name in ("profile", "as_json") or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        for one in value if isinstance(value, tuple) else (value,):
            flag = option.secondary_opts[0] if one is False else option.opts[0]
            words += [flag] if isinstance(one, bool) else [flag, str(one)]
    return words


@pool_command.command("delete")
@design_options
@_ADMIN
@_ACCOUNT
@_YES
@json_option
def delete(
    design: Design, profile: str | None, admin_profile: str | None, account_id: str | None, yes: bool, as_json: bool
) -> None:
    """Delete what create made (it has a tag), and nothing else."""
    administrator = access.administrator(_in_pool(design), admin_profile, account_id)
    survey = access.looked_at(administrator.removals, design)
    _show(survey)
    if not survey.differences:
        print_line(f"There is nothing to delete: nothing has the tag {TAG} of this pool", err=True)
    elif not _agreed(yes):
        return
    access.apply(survey.differences, design, lambda what: print_line(f"Deleted: {what}", err=True))
    if as_json:
        print_json({"deleted": [one.what for one in survey.differences], "notes": survey.notes})


@pool_command.command("policy")
@click.option("--name", metavar="NAME", default="cognito-federation", help="The identity pool's name.")
@click.option("--region", metavar="R", default="us-east-1", help="A region of the partition.")
@click.option("--read-only", is_flag=True, help="What check needs, and no more.")
def policy(name: str, region: str, read_only: bool) -> None:
    """Print the IAM policy that an administrator needs for these commands."""
    print_json(access.policy(name, access.partition_of(region), read_only=read_only))


@pool_command.command("template")
@design_options
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="cloudformation", help="Which text.")
def template(design: Design, profile: str | None, form: str) -> None:
    """Print the same set-up as text for CloudFormation, Terraform or the AWS CLI; asks no service."""
    print_data(FORMATS[form](design))
