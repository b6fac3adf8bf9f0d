"""Where a login token comes from: one module a kind of source, all behind one method."""
