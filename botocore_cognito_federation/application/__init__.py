"""The Python API: an application signs its users in, and its AWS clients have credentials that renew themselves.

`federation.CognitoFederation` is the way in; what it offers of whoever is signed in is in `signed_in`. A sign-in
(`sign_in`) has a record and a session in a store, a token source (`source`) that knows the application's refresh
handlers (`refresh_handlers`), and a `CredentialFetcher` that owns freshness, locks and failures, exactly as for profiles. This
page imports nothing.
"""
