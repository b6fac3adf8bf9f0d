"""Changing ``~/.aws/config`` without touching what is not ours: `lines` edits the text, `writing` replaces the file."""
