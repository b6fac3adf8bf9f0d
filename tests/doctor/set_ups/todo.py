"""What does not hold yet, with the reason; `test_set_ups` fails as soon as one of these holds."""

TODO: dict[str, dict[str, str]] = {}
