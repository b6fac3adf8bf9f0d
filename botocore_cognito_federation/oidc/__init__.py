"""OpenID Connect sign-in: from an identity provider's domain to a login token that Cognito takes.

Modules, outermost first; each is imported only for its job, so this page imports nothing:

* `flows`: sign-in by browser, by pasting, and by device code, start to finish.
* `client`: the OpenID Connect client and the result of a sign-in; `callback`: the loopback side.
* `authorization`, `tokens`, `id_token`, `discovery`: the protocol itself; `tokens` also renews and revokes.
"""
