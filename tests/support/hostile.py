"""What receivers might answer to harm a terminal, and whether any of it is left."""

import base64
import json
import unicodedata
from pathlib import Path

_VECTORS = Path(__file__).parents[1] / "vectors" / "hostile_bodies.json"
_HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # categories of Unicode

BODIES = {
    body["name"]: base64.b64decode(body["bytes"]) for body in json.loads(_VECTORS.read_text())
}


def harmful(text: str, allowed: str = "\n") -> set[str]:
    """The characters that a terminal would obey or not show."""
    return {each for each in text if unicodedata.category(each) in _HARMFUL} - set(allowed)
