"""What is on the disk, and not only on its way there."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Make a file's content, or a new name in a folder, last through a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
