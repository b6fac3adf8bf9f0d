"""Where documents are stored between calls and processes: files, memory, keyring, behind one small interface."""
