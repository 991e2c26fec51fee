"""What has happened since the beginning, counted from the tables: numbers that only rise.

Attempts are pruned, and there are too many to count them at each look. So once a minute a chore
moves them into the tallies, beside the deliveries, and whoever asks adds those that were not moved
yet. Whatever removes attempts moves theirs first. All workers write the same rows, so their numbers
add up by themselves.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from peewee import fn

from core.storage.counting import Counts, counted
from core.storage.database import connection, is_postgres, one_of, transaction
from core.storage.models import EPOCH, Attempt, Tally, TallyProgress, row_lock

_ALL_COMMITTED_AFTER = timedelta(minutes=2)
"""No transaction that writes attempts lasts as long as this, so no lower id turns up after it."""
_AT_ONCE = 1_000_000  # attempts that are moved at a time: a statement has only 20 s
_LOOKS = 5


def totals() -> Counts:
    """Everything that was counted up to now. It costs what the last few minutes come to."""
    for _ in range(_LOOKS):
        with connection():
            progress = _progress()
            found = Counter({(row.name, row.label): row.value for row in Tally.select()})
            found.update(counted(Attempt.id > progress.counted_to))
            if _progress().version == progress.version:  # nothing was moved meanwhile
                break
    return found


def fold(now: datetime) -> None:
    """Move into the tallies what was there two minutes ago. Where another worker was faster,
    nothing is moved.
    """
    with connection():
        progress = _progress()
        if abs(now - progress.seen_at) < _ALL_COMMITTED_AFTER:
            return
        counts = counted(
            (Attempt.id > progress.counted_to) & (Attempt.id <= progress.seen_to),
        )
        latest = Attempt.select(fn.MAX(Attempt.id)).scalar() or 0
    with transaction():
        seen_to = max(progress.seen_to, min(latest, progress.seen_to + _AT_ONCE))
        if _move(progress, counted_to=progress.seen_to, seen_to=seen_to, seen_at=now):
            _add(counts)


def keep_counts_of(delivery_ids: Sequence[int]) -> None:
    """Move those attempts of these deliveries that are not counted yet. It is called in the
    transaction that removes them.
    """
    progress = _progress(for_change=True)
    which = (Attempt.id > progress.counted_to) & one_of(Attempt.delivery, delivery_ids)
    if Attempt.select().where(which).exists():  # rarely so, since what is pruned is old
        counts = counted(which)
        _move(progress)
        _add(counts)


def reuse_ids() -> None:
    """After attempts were removed: SQLite gives the ids of the last ones to the next ones."""
    if is_postgres():
        return
    latest = Attempt.select(fn.MAX(Attempt.id)).scalar() or 0
    progress = _progress()
    if latest < progress.seen_to:
        counted_to = min(progress.counted_to, latest)
        _move(progress, counted_to=counted_to, seen_to=latest)


def _progress(*, for_change: bool = False) -> TallyProgress:
    query = TallyProgress.select()
    found = (row_lock(query) if for_change else query).get_or_none()
    return found or TallyProgress(id=1, version=0, counted_to=0, seen_to=0, seen_at=EPOCH)


def _move(progress: TallyProgress, **changes: object) -> bool:
    """Write these changes; returns whether the row was still as it was read."""
    if progress.version == 0:
        TallyProgress.insert(
            id=1, version=0, counted_to=0, seen_to=0, seen_at=EPOCH
        ).on_conflict_ignore().execute()
    moved = TallyProgress.update({"version": TallyProgress.version + 1, **changes}).where(
        TallyProgress.version == progress.version
    )
    return bool(moved.execute())


def _add(counts: Counts) -> None:
    for (name, label), value in sorted(counts.items()):
        Tally.insert(name=name, label=label, value=value).on_conflict(
            conflict_target=[Tally.name, Tally.label],
            update={Tally.value: Tally.value + value},
        ).execute()
