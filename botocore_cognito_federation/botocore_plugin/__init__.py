"""The botocore side: the credential provider, its credentials object, and how it joins every session."""
