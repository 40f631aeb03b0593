"""Where an attribution holds: decorated functions of all kinds, tasks, threads, odd exits."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.context import get_current

from llm_otel.attribution import attribution, current, propagate
from llm_otel.base.activation import Run, async_generator


def tenant() -> str:
    return current().tenant_id


class TestDecorators:
    def test_kinds(self) -> None:
        """A decorated function stays of its kind, with name and signature."""

        def function(a: int, *, b: str = "x") -> None: ...
        async def coroutine(a: int, *, b: str = "x") -> None: ...
        def generator(a: int, *, b: str = "x") -> Iterator[int]:
            yield a

        async def async_generator(a: int, *, b: str = "x") -> AsyncIterator[int]:
            yield a

        kinds = (
            inspect.iscoroutinefunction,
            inspect.isgeneratorfunction,
            inspect.isasyncgenfunction,
        )
        for fn in (function, coroutine, generator, async_generator):
            decorated = attribution(tenant_id="acme")(fn)
            assert [kind(decorated) for kind in kinds] == [kind(fn) for kind in kinds]
            assert decorated.__name__ == fn.__name__
            assert inspect.signature(decorated) == inspect.signature(fn)

    @pytest.mark.parametrize("wrong", [dict, staticmethod(len), "text"])
    def test_no_function(self, wrong: object) -> None:
        """Classes, static methods and what is not callable are refused in one sentence."""
        with pytest.raises(TypeError, match="decorates functions, not a"):
            attribution(tenant_id="acme")(wrong)  # type: ignore[type-var]

    def test_recursion(self) -> None:
        """A decorated function may call itself."""

        @attribution(tenant_id="acme")
        def count(n: int) -> list[str]:
            return [tenant()] + (count(n - 1) if n else [])

        assert count(3) == ["acme"] * 4
        assert tenant() == "none"

    def test_method(self) -> None:
        """A decorated method gets its object."""

        class Service:
            @attribution(tenant_id="acme")
            def answer(self, text: str) -> str:
                return f"{tenant()} {text}"

        assert Service().answer("hi") == "acme hi"

    def test_concurrent_coroutines(self) -> None:
        """Two tasks in one decorated coroutine function keep their own outer attribution."""

        @attribution(feature="chat")
        async def ask(turn: asyncio.Event) -> tuple[str, str]:
            await turn.wait()
            return current().tenant_id, current().feature

        async def task(name: str, turn: asyncio.Event) -> tuple[str, str]:
            with attribution(tenant_id=name):
                return await ask(turn)

        async def run() -> list[tuple[str, str]]:
            turn = asyncio.Event()
            tasks = [asyncio.create_task(task(name, turn)) for name in ("a", "b")]
            await asyncio.sleep(0)
            turn.set()
            return list(await asyncio.gather(*tasks))

        assert asyncio.run(run()) == [("a", "chat"), ("b", "chat")]

    def test_generator_is_suspended(self) -> None:
        """In a generator it holds in the body and not in the caller between two items."""

        @attribution(tenant_id="acme")
        def items() -> Iterator[str]:
            yield tenant()
            yield tenant()

        seen = []
        for item in items():
            seen += [item, tenant()]
        assert seen == ["acme", "none", "acme", "none"]

    def test_generator_protocol(self) -> None:
        """`send`, `throw`, `close` and the returned value pass through, the body attributed."""
        log: list[object] = []

        @attribution(tenant_id="acme")
        def body() -> Iterator[object]:
            try:
                log.append((yield 1))
                try:
                    yield 2
                except KeyError as error:
                    log.append(error)
                yield 3
            finally:
                log.append(tenant())

        error = KeyError("x")
        generator = body()
        assert next(generator) == 1
        assert generator.send("sent") == 2  # type: ignore[attr-defined]
        assert generator.throw(error) == 3  # type: ignore[attr-defined]
        generator.close()  # type: ignore[attr-defined]
        assert log == ["sent", error, "acme"]

    def test_generator_returns(self) -> None:
        """A decorated generator gives its value to `yield from`."""

        @attribution(tenant_id="acme")
        def inner() -> Iterator[int]:
            yield 1
            return tenant()

        def outer() -> Iterator[object]:
            found = yield from inner()
            yield found

        assert list(outer()) == [1, "acme"]

    def test_generator_that_will_not_close(self) -> None:
        """A body that ignores `close` gives Python's own error, as without us."""

        @attribution(tenant_id="acme")
        def stubborn() -> Iterator[int]:
            try:
                yield 1
            except GeneratorExit:
                yield 2

        generator = stubborn()
        next(generator)
        with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
            generator.close()  # type: ignore[attr-defined]

    def test_block_open_across_a_yield(self) -> None:
        """A block that a decorated body holds open over a yield waits there with it."""

        @attribution(tenant_id="acme")
        def body() -> Iterator[tuple[str, str]]:
            with attribution(feature="inner"):
                yield current().tenant_id, current().feature
                yield current().tenant_id, current().feature
            yield current().tenant_id, current().feature

        seen = []
        for item in body():
            seen.append(item)
            assert (current().tenant_id, current().feature) == ("none", "none")
        assert seen == [("acme", "inner"), ("acme", "inner"), ("acme", "none")]

    def test_interleaved_generators(self) -> None:
        """Generators of different tenants taken in turn do not mix."""

        def stream(name: str) -> Iterator[str]:
            @attribution(tenant_id=name)
            def body() -> Iterator[str]:
                while True:
                    yield tenant()

            return body()

        pairs = zip(stream("a"), stream("b"))
        assert [next(pairs), next(pairs)] == [("a", "b"), ("a", "b")]
        assert tenant() == "none"

    def test_async_generator(self) -> None:
        """Likewise in an asynchronous generator, also while the body awaits."""

        @attribution(tenant_id="acme")
        async def items() -> AsyncIterator[str]:
            try:
                yield tenant()
                await asyncio.sleep(0)
                yield tenant()
            finally:
                await asyncio.sleep(0)
                closed.append(tenant())

        async def run() -> list[str]:
            seen = []
            generator = items()
            async for item in generator:
                seen += [item, tenant()]
                if len(seen) == 4:
                    break
            await generator.aclose()  # type: ignore[attr-defined]
            return seen

        closed: list[str] = []
        assert asyncio.run(run()) == ["acme", "none", "acme", "none"]
        assert closed == ["acme"]

    def test_async_generator_protocol(self) -> None:
        """`asend` and `athrow` reach the body; its exception goes on unchanged."""
        error = KeyError("x")

        @attribution(tenant_id="acme")
        async def echo() -> AsyncIterator[object]:
            got = yield "ready"
            yield got

        async def run() -> list[object]:
            generator = echo()
            first = await generator.__anext__()
            second = await generator.asend("sent")  # type: ignore[attr-defined]
            with pytest.raises(KeyError) as caught:
                await generator.athrow(error)  # type: ignore[attr-defined]
            return [first, second, caught.value]

        assert asyncio.run(run()) == ["ready", "sent", error]


class TestLeaving:
    """Leaving where nobody expects it is silent and disturbs nothing."""

    def test_async_generator_closed_by_another_task(self, caplog: pytest.LogCaptureFixture) -> None:
        """An async generator with a block inside, closed from another task, logs nothing."""

        async def items() -> AsyncIterator[int]:
            with attribution(tenant_id="acme"):
                yield 1

        async def start(generator: AsyncIterator[int]) -> None:
            await generator.__anext__()

        async def close(generator: AsyncIterator[int]) -> str:
            with attribution(tenant_id="closer"):
                await generator.aclose()  # type: ignore[attr-defined]
                return tenant()

        async def run() -> str:
            generator = items()
            await asyncio.create_task(start(generator))
            return await asyncio.create_task(close(generator))

        assert asyncio.run(run()) == "closer"
        assert caplog.records == []

    @pytest.mark.parametrize("body_first", [True, False])
    def test_async_generator_whose_body_was_closed(self, body_first: bool) -> None:
        """A loop that ends closes all generators in any order: a body that has ended is let be."""

        async def items() -> AsyncIterator[int]:
            yield 1
            yield 2

        async def run() -> str:
            bodies: list[AsyncIterator[int]] = []

            def keep() -> AsyncIterator[int]:
                bodies.append(items())
                return bodies[0]

            generator = async_generator(keep, lambda *_: Run(get_current()))()
            await generator.__anext__()
            for each in (*bodies, generator)[:: 1 if body_first else -1]:
                await each.aclose()
            return "closed"

        assert asyncio.run(run()) == "closed"

    def test_left_in_another_context(self, caplog: pytest.LogCaptureFixture) -> None:
        """A block left in a copied context ends there; the original is left as it is."""
        scope = attribution(tenant_id="acme")

        def leave() -> str:
            scope.__exit__(None, None, None)
            return tenant()

        def run() -> tuple[str, str]:
            scope.__enter__()
            return contextvars.copy_context().run(leave), tenant()

        assert contextvars.copy_context().run(run) == ("none", "acme")
        assert caplog.records == []

    def test_dropped_generator(self) -> None:
        """A dropped generator that still holds a block does not end the block it is dropped in."""

        def items() -> Iterator[int]:
            with attribution(tenant_id="stale"):
                yield 1

        held = [items()]
        contextvars.copy_context().run(next, held[0])
        with attribution(tenant_id="acme"):
            held.clear()
            gc.collect()
            assert tenant() == "acme"
        assert tenant() == "none"

    def test_one_object_in_two_tasks(self) -> None:
        """One object entered by two tasks at once is left by each for itself."""
        scope = attribution(feature="chat")

        async def task(mine: asyncio.Event, other: asyncio.Event) -> tuple[str, str]:
            with scope:
                mine.set()
                await other.wait()
                inside = current().feature
            return inside, current().feature

        async def run() -> list[tuple[str, str]]:
            one, two = asyncio.Event(), asyncio.Event()
            return list(await asyncio.gather(task(one, two), task(two, one)))

        assert asyncio.run(run()) == [("chat", "none"), ("chat", "none")]

    def test_reentered(self) -> None:
        """One object may be entered inside itself."""
        scope = attribution(tenant_id="acme")
        with scope:
            with scope:
                assert tenant() == "acme"
            assert tenant() == "acme"
        assert tenant() == "none"

    def test_no_growth(self) -> None:
        """A task that starts its own successor inside a block keeps nothing of its forebears."""

        async def run() -> None:
            loop, done = asyncio.get_running_loop(), asyncio.Event()

            def tick(left: int) -> None:
                with attribution(tenant_id="acme"):
                    if left:
                        loop.call_soon(tick, left - 1)
                    else:
                        gc.collect()
                        alive.append(sum(isinstance(o, Run) for o in gc.get_objects()))
                        done.set()

            tick(200)
            await done.wait()

        alive: list[int] = []
        asyncio.run(run())
        assert alive[0] < 10


class TestThreads:
    def test_executor(self) -> None:
        """A thread has no attribution, unless the function was made with `propagate`."""
        with ThreadPoolExecutor(1) as executor:
            with attribution(tenant_id="acme"):
                without = executor.submit(tenant)
                bound = propagate(tenant)
            with attribution(tenant_id="later"):
                carried = executor.submit(bound)
            after = executor.submit(tenant)
        assert [f.result() for f in (without, carried, after)] == ["none", "acme", "none"]

    def test_propagated_kinds(self) -> None:
        """`propagate` takes coroutine functions and generators too."""

        async def coroutine() -> str:
            return tenant()

        def generator() -> Iterator[str]:
            yield tenant()

        with attribution(tenant_id="acme"):
            bound, items = propagate(coroutine), propagate(generator)
        assert asyncio.run(bound()) == "acme"
        assert list(items()) == ["acme"]
