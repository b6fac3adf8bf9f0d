"""The Python API: an application signs its users in, and its AWS clients have credentials that renew themselves.

`federation.CognitoFederation` is the entry point; the members that need a signed-in user are in `signed_in`. A sign-in
(`sign_in`) has a record and a session in a store, a `token_provider` that knows the application's refresh handlers, and
a `CredentialFetcher` that owns freshness, locks and failures, as it does for profiles.
"""
