"""What the tests share: CONTRIBUTING.md tells what is where."""
