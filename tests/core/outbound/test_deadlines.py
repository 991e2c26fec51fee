"""One time limit for many tasks: who is over it is told so, and nobody else."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from core.outbound.deadlines import Deadlines

SHORT = 0.05  # seconds


def together(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    async def main() -> list[Any]:
        return await asyncio.gather(*work, return_exceptions=True)

    return asyncio.run(main())


async def returning(value: object) -> object:
    await asyncio.sleep(0)
    return value


async def never() -> None:
    await asyncio.Event().wait()


def test_what_is_in_time_returns_and_what_is_not_is_a_timeout() -> None:
    deadlines = Deadlines(0.5)
    prompt, late, other = together(
        deadlines.hold(returning("done")), deadlines.hold(never()), deadlines.hold(never())
    )
    assert prompt == "done"
    assert isinstance(late, TimeoutError)
    assert isinstance(other, TimeoutError)


def test_one_that_begins_later_has_as_long() -> None:
    deadlines = Deadlines(SHORT)

    async def lasted(pause: float) -> float:
        await asyncio.sleep(pause)
        begin = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await deadlines.hold(never())
        return asyncio.get_running_loop().time() - begin

    all_of_them = together(lasted(0), lasted(SHORT / 2), lasted(3 * SHORT))
    assert min(all_of_them) >= SHORT


def test_an_error_of_the_work_is_its_own() -> None:
    async def failing() -> None:
        raise ValueError("of its own")

    [outcome] = together(Deadlines(SHORT).hold(failing()))
    assert isinstance(outcome, ValueError)


def test_who_is_cancelled_by_another_is_cancelled_and_not_late() -> None:
    deadlines = Deadlines(60)

    async def main() -> bool:
        task = asyncio.create_task(deadlines.hold(never()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(main())


def test_who_is_late_and_cancelled_by_another_too_is_cancelled() -> None:
    deadlines = Deadlines(0)

    async def main() -> bool:
        task = asyncio.create_task(deadlines.hold(never()))
        for _ in range(10):  # turns of the loop, until the one in which it was late
            if task.cancelling():
                break
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(main())


def test_who_was_cancelled_once_and_went_on_can_be_late_all_the_same() -> None:
    deadlines = Deadlines(SHORT)

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await deadlines.hold(never())

    asyncio.run(main())


def cancellations_after(work: Coroutine[Any, Any, Any], error: type[Exception]) -> int:
    """How many its task still counts once `work` was late and this was raised."""

    async def main() -> int:
        with pytest.raises(error):
            await Deadlines(SHORT).hold(work)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    return asyncio.run(main())


def test_after_a_timeout_the_task_goes_on_as_if_it_had_never_been_cancelled() -> None:
    assert cancellations_after(never(), TimeoutError) == 0


def test_work_that_turns_its_end_into_an_error_of_its_own_leaves_no_trace_either() -> None:
    async def stubborn() -> None:
        try:
            await never()
        except asyncio.CancelledError:
            raise ConnectionError from None

    assert cancellations_after(stubborn(), ConnectionError) == 0
