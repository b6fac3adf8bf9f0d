"""Mechanisms that know nothing of Cognito: HTTP, files, child processes, threads, logging."""
