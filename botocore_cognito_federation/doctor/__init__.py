"""Everything that can be wrong, found before it bites: `examination` asks, `local` and `network` look."""
