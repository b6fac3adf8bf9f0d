"""The table of broken set-ups: one module a family, a runner, and an interpreter of the printed remedies."""
