"""Everything that can be wrong, found before it bites: `checks` look, `report` holds what was found."""
