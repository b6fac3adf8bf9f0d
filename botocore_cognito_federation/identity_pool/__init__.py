"""From a login token to AWS credentials: the operations of Cognito and STS, and the meaning of their refusals."""

from __future__ import annotations
