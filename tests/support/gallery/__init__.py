"""One page with every screen, old beside new where they differ: `make gallery`."""
