"""Fuzzing of everything that comes from outside: only the product's own errors, in one line, without a secret."""
