"""Sections and keys: names that nearly are one, values that their key cannot hold, keys that do not go together."""

from __future__ import annotations

from .model import BOTO3, DOCTOR, JOB, PROFILE_ONLY, ByHand, Dash, Literal, SetUp, job, person
from .place import Place

_POOL = Literal({"REGION:GUID": "$pool"})
_DYNAMODB = (
    "$python",
    "-c",
    "import boto3; boto3.Session(profile_name='dev').client('dynamodb').list_tables()",
)
_OF_DOCTOR = Literal(of_doctor=True)
_OTHER_ROLE = "the program works, with another role or store than its user meant"
_GUEST = """\
[profile dev]
region = eu-west-1
cognito_identity_pool_id = $guest_pool
cognito_provider = guest
credential_process = $helper credential-process --profile dev
"""


def _in_credentials(text: str) -> object:
    def prepare(place: Place) -> None:
        path = place.config.with_name("credentials")
        path.write_text(place.filled(text))
        path.chmod(0o600)

    return prepare


_SESSION = "[cognito-session corp]" + JOB.partition("[cognito-session corp]")[2]

ROWS = (
    SetUp(
        "a key without its underscore",
        r"cognito_tokenfile.*cognito_token_file",
        config=job("cognito_token_file", "cognito_tokenfile"),
    ),
    SetUp(
        "cognito_pool_id",
        r"cognito_pool_id.*cognito_identity_pool_id",
        config=job("cognito_identity_pool_id", "cognito_pool_id"),
    ),
    SetUp(
        "an identity pool's ID under the user pool's key",
        r"cognito_user_pool_id.*cognito_identity_pool_id",
        config=job("cognito_identity_pool_id", "cognito_user_pool_id"),
    ),
    SetUp(
        "a session that is not there",
        r"cognito_session = 'corp'.*\[cognito-session corp\]",
        Literal(
            {
                "REGION:GUID": "$pool",
                "PROVIDER": "$login_key --issuer $issuer --set token_file=$home/token",
            }
        ),
        config=PROFILE_ONLY,
    ),
    *(
        SetUp(
            f"the session's section called {wrong}",
            rf"\[cognito-session corp\].*{wrong.replace('[', chr(92) + '[').replace(']', chr(92) + ']')}",
            config=job("[cognito-session corp]", wrong),
        )
        for wrong in (
            "[cognito_session corp]",
            "[session corp]",
            "[sso-session corp]",
            "[cognito-session]",
            "[corp]",
            "[Cognito-Session corp]",
            '[cognito-session "corp"]',
            "[profile corp]",
        )
    ),
    *(
        SetUp(
            f"the profile's section called {wrong}",
            rf"no profile 'dev'.*{wrong.replace('[', chr(92) + '[').replace(']', chr(92) + ']')}",
            config=job("[profile dev]", wrong),
        )
        for wrong in ("[dev]", "[Profile dev]", "[profile Dev]", "[profile-dev]")
    ),
    SetUp(
        "a session's name in other case",
        r"cognito_session = 'Corp'.*corp",
        config=job("cognito_session = corp", "cognito_session = Corp"),
    ),
    SetUp(
        "a comment behind the pool's ID",
        r"cognito_identity_pool_id.*comment",
        config=job("= $pool", "= $pool  # my pool"),
    ),
    SetUp(
        "a comment behind the session's name",
        r"cognito_session.*comment",
        config=job("cognito_session = corp", "cognito_session = corp ; the corp one"),
    ),
    SetUp(
        "a comment behind the token file",
        r"cognito_token_file.*comment",
        config=job("$home/token", "$home/token # here"),
    ),
    SetUp(
        "quotes around the pool's ID",
        r"cognito_identity_pool_id.*quotes",
        config=job("= $pool", '= "$pool"'),
    ),
    SetUp(
        "quotes around the session's name",
        r"cognito_session.*quotes",
        config=job("cognito_session = corp", 'cognito_session = "corp"'),
    ),
    SetUp(
        "quotes around the token file",
        r"cognito_token_file.*quotes",
        config=job("$home/token", "'$home/token'"),
    ),
    SetUp(
        "quotes around the region",
        r"region",
        _OF_DOCTOR,
        doctor=r"region.*quotes",
        config=job("region = eu-west-1", 'region = "eu-west-1"'),
        command=BOTO3,
    ),
    SetUp(
        "no region",
        r"region",
        Literal({"REGION": "eu-west-1"}, of_doctor=True),
        doctor=r"[Nn]o region",
        config=job("region = eu-west-1\n", ""),
        command=_DYNAMODB,
        works=("$python", "-c", "import boto3; boto3.Session(profile_name='dev').client('dynamodb')"),
    ),
    SetUp(
        "a services section that is not there",
        r"services",
        _OF_DOCTOR,
        doctor=r"services",
        config=job(profile="services = local", more="cognito_endpoint_url = $endpoint"),
        environ={"AWS_ENDPOINT_URL": None},
        command=BOTO3,
        works=DOCTOR,
    ),
    SetUp(
        "dashes in a key",
        r"cognito-identity-pool-id.*cognito_identity_pool_id",
        config=job("cognito_identity_pool_id", "cognito-identity-pool-id"),
    ),
    SetUp(
        "a session's key without its prefix",
        r"identity_pool_id.*cognito_identity_pool_id",
        config=job("cognito_identity_pool_id", "identity_pool_id"),
    ),
    SetUp(
        "a profile's session without its prefix",
        r"'?session'?.*cognito_session",
        config=job("cognito_session = corp", "session = corp"),
    ),
    *(
        SetUp(
            f"{wrong} in the session",
            rf"{wrong}.*(cognito_role_arn|cognito_cache)",
            config=job(more=f"{wrong} = {value}"),
        )
        for wrong, value in (
            ("cognito-role-arn", "$other_role"),
            ("congito_role_arn", "$other_role"),
            ("cognito.role.arn", "$other_role"),
            ("cognito-cache", "memory"),
        )
    ),
    *(
        SetUp(
            f"{wrong} in the profile",
            Dash(_OTHER_ROLE),
            _OF_DOCTOR,
            doctor=rf"{wrong}.*(cognito_role_arn|cognito_cache)",
            config=job(profile=f"{wrong} = {value}"),
            works=DOCTOR,
        )
        for wrong, value in (
            ("cognito-role-arn", "$other_role"),
            ("congito_role_arn", "$other_role"),
            ("cognito-cache", "memory"),
        )
    ),
    SetUp(
        "region in the session",
        r"region.*\[cognito-session corp\]|\[cognito-session corp\].*region",
        config=job(more="region = eu-west-1"),
    ),
    SetUp(
        "cognito_session in a session",
        r"cognito_session.*\[cognito-session corp\]|\[cognito-session corp\].*cognito_session",
        config=job(more="cognito_session = corp"),
    ),
    SetUp(
        "a pool's ID without its region",
        r"cognito_identity_pool_id.*REGION:GUID",
        Literal({"REGION:GUID": "$pool", "REGION": "eu-west-1"}),
        config=job("= $pool", "= $guid"),
    ),
    SetUp(
        "a pool's ARN",
        r"cognito_identity_pool_id.*ARN",
        config=job("= $pool", "= arn:aws:cognito-identity:eu-west-1:111122223333:identitypool/$pool"),
    ),
    SetUp(
        "a user pool's ID under the identity pool's key",
        r"cognito_identity_pool_id.*user pool",
        _POOL,
        config=job("= $pool", "= eu-west-1_AbCdEfGhI"),
    ),
    SetUp(
        "no identity pool",
        r"no cognito_identity_pool_id",
        _POOL,
        config=job("cognito_identity_pool_id = $pool\n", ""),
    ),
    SetUp(
        "neither provider nor token source",
        r"neither an identity provider nor a token source",
        Literal({"PROVIDER": "guest"}),
        config=_GUEST.replace("cognito_provider = guest\n", ""),
    ),
    SetUp(
        "an empty key",
        r"cognito_role_arn.*empty",
        config=job(more="cognito_role_arn ="),
    ),
    SetUp(
        "two token sources",
        r"cognito_token_file.*cognito_token_env|cognito_token_env.*cognito_token_file",
        config=job(more="cognito_token_env = TOKEN"),
    ),
    SetUp(
        "a flow that is misspelt",
        r"cognito_flow.*enhanced",
        config=job(more="cognito_flow = enhaced"),
    ),
    SetUp(
        "a cache that is misspelt",
        r"cognito_cache.*file",
        config=job(more="cognito_cache = files"),
    ),
    SetUp(
        "yes for true",
        r"cognito_fail_closed.*true",
        config=job(profile="cognito_fail_closed = yes"),
        command=("cognito-federation", "explain", "--profile", "dev"),
    ),
    SetUp(
        "a duration in hours",
        r"cognito_duration_seconds.*seconds",
        config=job(
            "= $pool",
            "= $classic_pool",
            more="cognito_flow = basic\ncognito_role_arn = $role\ncognito_duration_seconds = 1h",
        ),
    ),
    SetUp(
        "a duration of the enhanced flow",
        r"cognito_duration_seconds.*flow = basic",
        config=job(more="cognito_duration_seconds = 3600"),
    ),
    SetUp(
        "the basic flow without a role",
        r"cognito_flow.*cognito_role_arn",
        Literal({"arn:aws:iam::123456789012:role/NAME": "$role"}),
        config=job("= $pool", "= $classic_pool", more="cognito_flow = basic"),
    ),
    SetUp(
        "a role's name in the place of its ARN",
        r"cognito_role_arn.*role ARN",
        config=job(more="cognito_role_arn = Analyst"),
        remedy=Literal({"arn:aws:iam::123456789012:role/Analyst": "$other_role"}),
    ),
    SetUp(
        "an account number with dashes",
        r"cognito_account_id.*12 digits",
        config=job(more="cognito_account_id = 1234-5678-9012"),
    ),
    SetUp(
        "an account number that is too short",
        r"cognito_account_id.*12 digits",
        ByHand(r"12 digits", lambda place: place.edit("= 12345", "= 123456789012")),
        config=job(more="cognito_account_id = 12345"),
    ),
    SetUp(
        "a client secret without a client",
        r"cognito_client_secret_env.*cognito_client_id",
        Literal({"CLIENT_ID": "cli"}),
        config=person("cognito_client_id = cli\n", "", more="cognito_client_secret_env = SECRET"),
        doctor=None,
        command=("cognito-federation", "explain", "--profile", "dev"),
    ),
    SetUp(
        "a guest with a token file",
        r"cognito_provider.*cognito_token_file.*guests",
        config=_GUEST + "cognito_token_file = $home/token\n",
    ),
    SetUp(
        "a developer's key with another provider",
        r"cognito_developer_user.*developer",
        config=job(more="cognito_developer_user = u1\ncognito_developer_provider = x\ncognito_developer_profile = y"),
    ),
    SetUp(
        "a linked session that is the profile's own",
        r"cognito_logins.*own session",
        config=job(more="cognito_logins = corp"),
    ),
    SetUp(
        "ports as a range",
        r"cognito_redirect_ports.*separated by spaces",
        config=person("cognito_redirect_ports = 0", "cognito_redirect_ports = 8400-8402"),
        command=("cognito-federation", "explain", "--profile", "dev"),
    ),
    SetUp(
        "the session in the credentials file",
        r"\[cognito-session corp\].*credentials",
        config=PROFILE_ONLY,
        prepare=_in_credentials(_SESSION),  # type: ignore[arg-type]
    ),
    SetUp(
        "the whole profile in the credentials file",
        r"credentials.*cognito_",
        config="[default]\nregion = eu-west-1\n",
        prepare=_in_credentials(_GUEST.replace("[profile dev]", "[dev]")),  # type: ignore[arg-type]
    ),
    SetUp(
        "a variable that is no twin of a key",
        r"COGNITO_FEDERATION_POOL_ID",
        environ={"COGNITO_FEDERATION_POOL_ID": "$pool"},
    ),
    SetUp(
        "a variable that would run code",
        r"COGNITO_FEDERATION_TOKEN_COMMAND.*runs code",
        environ={"COGNITO_FEDERATION_TOKEN_COMMAND": "date"},
    ),
    SetUp(
        "AWS_CONFIG_FILE names no file",
        r"/nowhere/config.*AWS_CONFIG_FILE",
        environ={"AWS_CONFIG_FILE": "/nowhere/config"},
    ),
    SetUp(
        "AWS_PROFILE names no profile",
        r"'prod'.*AWS_PROFILE",
        environ={"AWS_PROFILE": "prod"},
        config=JOB.replace("[profile dev]", "[default]").replace("--profile dev", "--profile default"),
        command=("cognito-federation", "credential-process"),
        doctor=Dash("doctor is asked about a profile by name here, so the variable does not count"),
    ),
    SetUp(
        "a home without a configuration",
        r"config does not exist",
        Literal({"REGION:GUID": "$pool", "PROVIDER": "$login_key --issuer $issuer --set token_file=$home/token"}),
        prepare=lambda place: place.config.unlink(),
    ),
    SetUp(
        "a profile without any key of this tool",
        r"'dev' has no cognito_ keys",
        Literal({"REGION:GUID": "$pool", "PROVIDER": "$login_key --issuer $issuer --set token_file=$home/token"}),
        config="[profile dev]\nregion = eu-west-1\n",
    ),
    SetUp(
        "a provider that is misspelt",
        r"cognito_provider = 'gest'",
        config=_GUEST.replace("= guest", "= gest"),
    ),
)
