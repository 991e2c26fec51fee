"""The minute of the terminal UI that README shows: `make recording` takes it anew."""
