"""Names of a payload's fields, offered while a condition is typed: the right arrow takes one."""

import re
from collections.abc import Sequence

from textual.suggester import Suggester

_BEGUN = re.compile(r"""(?:^|\sand)\s*([^\s=!<>"]+)$""")


class FieldNames(Suggester):
    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.names: Sequence[str] = ()

    async def get_suggestion(self, value: str) -> str | None:
        """What was typed, with the name whole that it ends in the middle of."""
        found = _BEGUN.search(value)
        if found is None:
            return None
        begun = found[1]
        whole = (name for name in self.names if name.startswith(begun) and name != begun)
        return next((value.removesuffix(begun) + name for name in whole), None)
