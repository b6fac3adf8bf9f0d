"""The fault bench: processes are killed, stopped and starved, and nothing may be lost. See docs/reliability.md."""
