"""What takes precedence over the profile: other credentials, other settings, variables."""

from __future__ import annotations

from .model import BOTO3, DOCTOR, JOB, Dash, Literal, SetUp, Words, job
from .place import Place

_OF_DOCTOR = Literal(of_doctor=True)
_SUCCEEDS = "programs that name the profile are not touched"
_AS_OTHER = "programs go on with another identity and say nothing"
_STATIC = "aws_access_key_id = AKIAEXAMPLEEXAMPLE00\naws_secret_access_key = wrong\n"
#: What a program without a profile does.
_DEFAULT: Words = (
    "$python",
    "-c",
    "import boto3; boto3.Session().client('sts').get_caller_identity()",
)
_OF_DEFAULT = JOB.replace("[profile dev]", "[default]").replace("--profile dev", "--profile default")
_DOCTOR_OF_DEFAULT: Words = ("cognito-federation", "doctor")


def _credentials(title: str) -> object:
    def prepare(place: Place) -> None:
        path = place.config.with_name("credentials")
        path.write_text(f"[{title}]\n{_STATIC}")
        path.chmod(0o600)

    return prepare


def _elsewhere(place: Place) -> None:
    path = place.path / "old-credentials"
    path.write_text(f"[dev]\n{_STATIC}")
    path.chmod(0o600)


ROWS = (
    SetUp(
        "a variable for the configuration file that is empty",
        r"AWS_CONFIG_FILE is empty",
        environ={"AWS_CONFIG_FILE": ""},
    ),
    SetUp(
        "AWS_ACCESS_KEY_ID in the environment",
        Dash(_SUCCEEDS),
        _OF_DOCTOR,
        doctor=r"AWS_ACCESS_KEY_ID is set",
        environ={"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00", "AWS_SECRET_ACCESS_KEY": "wrong"},
        works=DOCTOR,
    ),
    SetUp(
        "AWS_SESSION_TOKEN of another session beside keys",
        Dash(_SUCCEEDS),
        _OF_DOCTOR,
        doctor=r"AWS_ACCESS_KEY_ID is set",
        environ={
            "AWS_ACCESS_KEY_ID": "ASIAEXAMPLEEXAMPLE00",
            "AWS_SECRET_ACCESS_KEY": "wrong",
            "AWS_SESSION_TOKEN": "wrong",
        },
        works=DOCTOR,
    ),
    SetUp(
        "a web identity in the environment",
        Dash(_SUCCEEDS),
        _OF_DOCTOR,
        doctor=r"AWS_WEB_IDENTITY_TOKEN_FILE",
        environ={"AWS_WEB_IDENTITY_TOKEN_FILE": "$home/token", "AWS_ROLE_ARN": "$role"},
        works=DOCTOR,
    ),
    SetUp(
        "static keys in the credentials file",
        r"InvalidAccessKeyId|InvalidClientTokenId|Access Key Id",
        _OF_DOCTOR,
        doctor=r"credentials has static keys in \[dev\]",
        prepare=_credentials("dev"),  # type: ignore[arg-type]
        command=BOTO3,
    ),
    SetUp(
        "static keys in another credentials file",
        r"InvalidAccessKeyId|InvalidClientTokenId|Access Key Id",
        _OF_DOCTOR,
        doctor=r"old-credentials has static keys in \[dev\]",
        prepare=_elsewhere,
        environ={"AWS_SHARED_CREDENTIALS_FILE": "$home/old-credentials"},
        command=BOTO3,
    ),
    SetUp(
        "static keys in the profile",
        Dash("Python uses the helper; the JavaScript and C++ SDKs use the keys and say nothing"),
        _OF_DOCTOR,
        doctor=r"aws_access_key_id in \[profile dev\]",
        config=job(profile=_STATIC.strip()),
        works=DOCTOR,
    ),
    SetUp(
        "a role of the profile itself",
        r"source_profile|Partial|role_arn",
        _OF_DOCTOR,
        doctor=r"\[profile dev\] has role_arn",
        config=job(profile="role_arn = $chained_role"),
        command=BOTO3,
    ),
    SetUp(
        "a role that another profile is to assume",
        r"InvalidClientTokenId|InvalidAccessKeyId|security token|partial|Partial",
        _OF_DOCTOR,
        doctor=r"role_arn and source_profile",
        config=job(profile="role_arn = $chained_role\nsource_profile = other") + f"\n[profile other]\n{_STATIC}",
        command=BOTO3,
    ),
    SetUp(
        "a role of the profile by the machine's role",
        r"credential|Credential|metadata",
        _OF_DOCTOR,
        doctor=r"role_arn.*credential_source",
        config=job(profile="role_arn = $chained_role\ncredential_source = Environment"),
        command=BOTO3,
    ),
    SetUp(
        "a web identity of the profile",
        r"web identity|WebIdentity|token",
        _OF_DOCTOR,
        doctor=r"web_identity_token_file",
        config=job(profile="role_arn = $role\nweb_identity_token_file = /nowhere/token"),
        command=BOTO3,
    ),
    SetUp(
        "IAM Identity Center by a session",
        r"sso|SSO",
        _OF_DOCTOR,
        doctor=r"sso_session",
        config=job(profile="sso_session = corp-sso\nsso_account_id = 123456789012\nsso_role_name = Admin")
        + "\n[sso-session corp-sso]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n",
        command=BOTO3,
    ),
    SetUp(
        "IAM Identity Center without a session",
        r"sso|SSO",
        _OF_DOCTOR,
        doctor=r"sso_start_url",
        config=job(
            profile="sso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n"
            "sso_account_id = 123456789012\nsso_role_name = Admin"
        ),
        command=BOTO3,
    ),
    SetUp(
        "half of IAM Identity Center",
        r"sso|SSO",
        _OF_DOCTOR,
        doctor=r"sso_account_id",
        config=job(profile="sso_account_id = 123456789012\nsso_role_name = Admin"),
        command=BOTO3,
    ),
    SetUp(
        "the credentials of a container",
        Dash("Python uses the helper; SDKs that go on when it fails use the container's identity"),
        _OF_DOCTOR,
        doctor=r"AWS_CONTAINER_CREDENTIALS_FULL_URI",
        environ={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/credentials"},
        works=DOCTOR,
    ),
    SetUp(
        "a token file by a variable",
        r"COGNITO_FEDERATION_TOKEN_FILE",
        environ={"COGNITO_FEDERATION_TOKEN_FILE": "$home/old-token"},
    ),
    SetUp(
        "another pool by a variable",
        r"COGNITO_FEDERATION_IDENTITY_POOL_ID",
        Literal({"REGION:GUID": "$pool"}),
        environ={"COGNITO_FEDERATION_IDENTITY_POOL_ID": "eu-west-1:$other_guid"},
    ),
    SetUp(
        "a role by a variable",
        r"COGNITO_FEDERATION_ROLE_ARN",
        environ={"COGNITO_FEDERATION_ROLE_ARN": "arn:aws:iam::123456789012:role/Nope"},
    ),
    SetUp(
        "an endpoint by a variable",
        r"AWS_ENDPOINT_URL_COGNITO_IDENTITY",
        environ={"AWS_ENDPOINT_URL_COGNITO_IDENTITY": "http://127.0.0.1:9"},
    ),
    SetUp(
        "a pool of the profile that wins over the session's",
        r"does not exist.*cognito_identity_pool_id",
        Literal({"REGION:GUID": "$pool"}),
        config=job(profile="cognito_identity_pool_id = eu-west-1:$other_guid"),
    ),
)
