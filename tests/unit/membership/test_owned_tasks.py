import asyncio

from app.node.membership.owned_tasks import OwnedTasks


async def test_closing_right_after_a_task_ended_comes_to_an_end() -> None:
    """The task is done, and the loop has not told anybody yet: Python 3.12 and newer gather such tasks at once."""
    tasks = OwnedTasks()
    ended: list[str] = []

    async def close_when_done(task: asyncio.Task[None]) -> None:
        while not task.done():
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await tasks.close()
        ended.append("closed")

    async def short() -> None:
        ended.append("short")

    await close_when_done(tasks.start(short(), name="short"))
    assert ended == ["short", "closed"]


async def test_closing_ends_what_runs_and_what_begins_meanwhile() -> None:
    tasks = OwnedTasks()
    ended: list[str] = []

    async def until_cancelled(name: str, then: str | None = None) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)
            if then is not None:
                tasks.start(until_cancelled(then), name=then)
                await asyncio.sleep(0)

    tasks.start(until_cancelled("first", then="second"), name="first")
    await asyncio.sleep(0)
    await tasks.close()
    assert ended == ["first", "second"]
