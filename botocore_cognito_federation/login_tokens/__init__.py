"""The sources of login tokens: one module for each kind, all with the same interface."""
