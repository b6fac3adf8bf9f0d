"""Mechanisms that know nothing of Cognito: HTTP, files, child processes, threads, logging."""

#: Where a refresh handler is looked for too, after everything else, in processes of our own: absolute entries of
#: ``PYTHONPATH``. What it imports is the user's own choice.
path_for_handlers: "list[str]" = []
