"""OpenID Connect sign-in: from an identity provider's domain to a login token that Cognito takes.

Modules, outermost first; each is imported only for its job, so this page imports nothing:

* `sign_in`: browser and paste sign-in, start to finish; `device`: the same by device code.
* `renewal`: the refresh grant and revocation, for sessions that live for weeks.
* `client`: the OpenID Connect client and the result of a sign-in; `callback`, `pages`, `redirects`: the loopback side.
* `authorization`, `token_endpoint`, `id_token`, `discovery`, `documents`: the protocol itself.
"""
