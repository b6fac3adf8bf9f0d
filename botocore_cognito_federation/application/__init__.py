"""The Python API: an application signs in its users, and its AWS clients get renewed credentials.

`federation.CognitoFederation` is the entry point; the members that need a signed-in user are in `signed_in`. A sign-in
(`sign_in`) has a record and a session in a store, a `token_provider` that knows the application's refresh handlers, and
a `CredentialFetcher`, which decides about freshness, locks and failures, as for profiles.
"""
