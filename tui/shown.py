"""What stands on the terminal already is not written again.

Textual writes the whole screen whenever anything is laid out anew, which a page that opens does
several times: over a slow line each of them is seen. Here a row is written only where it differs.
"""

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region


class Shown:
    def __init__(self) -> None:
        self._region = Region()
        self._rows: dict[int, str] = {}

    def forget(self) -> None:
        """Somebody else has written there, or its size is another one."""
        self._rows.clear()

    def without_known(self, update: object) -> object:
        """The update, without what is there already."""
        if isinstance(update, LayoutUpdate):
            return _WholeRows(update, self)
        if isinstance(update, ChopsUpdate):
            return _Parts(update, self)
        return update

    def to_write(self, region: Region, rows: dict[int, str]) -> dict[int, str]:
        """Those rows that are not there yet; from now on all of them are."""
        if region != self._region:
            self._region = region
            self.forget()
        missing = {y: row for y, row in rows.items() if self._rows.get(y) != row}
        self._rows |= missing
        return missing

    def forget_row(self, y: int) -> None:
        self._rows.pop(y, None)


class _WholeRows(CompositorUpdate):
    def __init__(self, update: LayoutUpdate, shown: Shown) -> None:
        self._update, self._shown = update, shown

    def render_segments(self, console: Console) -> str:
        region = self._update.region
        rows = {
            y: "".join(strip.render(console) for strip in strips)
            for y, strips in enumerate(self._update.strips, region.y)
        }
        missing = self._shown.to_write(region, rows)
        return "".join(f"{Control.move_to(region.x, y).segment.text}{missing[y]}" for y in missing)


class _Parts(CompositorUpdate):
    def __init__(self, update: ChopsUpdate, shown: Shown) -> None:
        self._update, self._shown = update, shown

    def render_segments(self, console: Console) -> str:
        for y, _, _ in self._update.spans:
            self._shown.forget_row(y)
        return self._update.render_segments(console)
