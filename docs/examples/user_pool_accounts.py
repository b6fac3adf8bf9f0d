"""Sign somebody up at a user pool, or in with whatever second factor the pool asks for; AWS credentials follow.

Answers "Auto Sign-in Lambda triggers" of Amplify's "Advanced workflows" page: what is in `AutoSignIn` reaches the
triggers of the sign-in that follows the confirmation. `federate` exchanges the tokens of that sign-in and renews them.

    IDENTITY_POOL_ID, USER_POOL_ID, USER_POOL_CLIENT_ID    your pools and app client
    POOL_USERNAME, POOL_PASSWORD                           the user
    POOL_EMAIL                                             of a new user; leave it out to sign in
    COGNITO_IDP_ENDPOINT_URL                               an emulator's, if you use one
"""

import os

from botocore_cognito_federation import (
    AutoSignIn,
    Challenge,
    CodeMismatchError,
    CognitoFederation,
    FederatedCredentials,
    NewPasswordRefusedError,
    UserPool,
)

endpoint = os.environ.get("COGNITO_IDP_ENDPOINT_URL")
pool = UserPool(os.environ["USER_POOL_ID"], os.environ["USER_POOL_CLIENT_ID"], endpoint_url=endpoint)
federation = CognitoFederation(os.environ["IDENTITY_POOL_ID"], user_pool=pool, endpoint_url=endpoint)


def sign_up(name: str, password: str, email: str) -> FederatedCredentials | Challenge:
    automatic = AutoSignIn(validation_data={"invited-by": "ada"})
    new = pool.sign_up(name, password, {"email": email}, auto_sign_in=automatic)
    signed_in = new.signed_in if new.confirmed else pool.confirm_sign_up(new, input("Code in your mail: "))
    assert signed_in is not None, "asked for with auto_sign_in"
    return federation.federate(signed_in)


def answered(challenge: Challenge) -> FederatedCredentials | Challenge:
    if challenge.name == "NEW_PASSWORD_REQUIRED":
        return federation.complete_new_password(challenge, input("New password: "))
    if challenge.name == "CUSTOM_CHALLENGE":
        return federation.send_custom_challenge_answer(challenge, input(f"{dict(challenge.parameters)}: "))
    if challenge.name == "MFA_SETUP":
        challenge = pool.set_up_totp(challenge)
        print("Add this to your authenticator application:", challenge.otpauth_uri("reports"))
    return federation.confirm_sign_in(challenge, input(f"{challenge.name} {' '.join(challenge.choices)}: "))


name, password = os.environ["POOL_USERNAME"], os.environ["POOL_PASSWORD"]
if "POOL_EMAIL" in os.environ:
    answer = sign_up(name, password, os.environ["POOL_EMAIL"])
else:
    answer = federation.sign_in(name, password)
while isinstance(answer, Challenge):
    try:
        answer = answered(answer)
    except (CodeMismatchError, NewPasswordRefusedError) as error:
        print(error.what)  # the same challenge may be answered again

user = federation.current_authenticated_user()
print(f"\n{user['username']} is {answer.identity_id}")
