"""The users of three shops: what they ask, how often, and what they think of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

from examples.assistant.app import Assistant, Caller, Reply
from examples.assistant.summaries import FAILURES
from examples.rag.manual import MANUAL


@dataclass(frozen=True)
class Shop:
    """A tenant: how much it asks, by how many users, and for what."""

    name: str
    share: float
    users: int
    features: dict[str, float]


SHOPS = (
    Shop("acme", 0.58, 40, {"support": 5, "search": 3, "summarise": 2, "ingest": 1}),
    Shop("globex", 0.30, 15, {"support": 2, "search": 4, "summarise": 3, "ingest": 1}),
    Shop("initech", 0.12, 4, {"support": 1, "search": 2, "summarise": 3, "ingest": 1}),
)
# How often a feature does what it is for, and how often somebody presses a thumb.
SOLVED = {"support": 0.82, "search": 0.90, "summarise": 0.94, "ingest": 0.99}
THUMBS = 0.35

SUPPORT_QUESTIONS = (
    "Can you track my order? It should have been here on Monday.",
    "Please track the parcel with my new tank.",
    "Is my machine still under warranty? The pump is loud.",
    "Does the warranty pay for a new gasket?",
    "Could you track the return that I sent last week?",
    "The display says E3 and no coffee comes. What shall I do?",
    "My coffee is sour since I changed the beans. Any idea?",
)
SEARCH_QUESTIONS = (
    "Is the warranty still valid without a water filter?",
    "Which parts may go into the dishwasher?",
    "How do I start the descaling programme?",
    "What does error code E4 say about the drip tray?",
    "How much energy does it draw while it keeps warm?",
    "How many days do I have to send a machine back?",
    "How long should a double shot of espresso take?",
    "Where do I find the part number of a spare part?",
    "Which water may I use with the filter cartridge?",
    "Why is the steam wand blocked by dried milk?",
)


@dataclass(frozen=True)
class Interaction:
    """One thing that a user wants, and what will come of it if it is answered."""

    caller: Caller
    feature: str
    text: tuple[str, ...]
    solved: bool
    thumb: bool | None


def schedule(count: int, seed: int) -> list[Interaction]:
    """`count` interactions; the same seed gives the same ones."""
    random = Random(f"traffic {seed}")
    return [_interaction(random, number) for number in range(count)]


def _interaction(random: Random, number: int) -> Interaction:
    (shop,) = random.choices(SHOPS, [shop.share for shop in SHOPS])
    (feature,) = random.choices(list(shop.features), list(shop.features.values()))
    user = f"{shop.name}-{random.randrange(shop.users)}"
    caller = Caller(shop.name, user, session=f"{user}-{number}")
    solved = random.random() < SOLVED[feature]
    pressed = feature != "ingest" and random.random() < THUMBS
    return Interaction(caller, feature, _text(random, feature), solved, solved if pressed else None)


def _text(random: Random, feature: str) -> tuple[str, ...]:
    if feature == "support":
        return (random.choice(SUPPORT_QUESTIONS),)
    if feature == "search":
        return (random.choice(SEARCH_QUESTIONS),)
    return tuple(random.sample(MANUAL, 3))


async def run(
    assistant: Assistant,
    interactions: list[Interaction],
    at_once: int,
    done: Callable[[], None],
) -> None:
    """Let the users loose on the assistant.

    Args:
        assistant: Who serves them.
        interactions: What they want, in the order in which they come.
        at_once: How many are served at a time.
        done: Called after each.
    """
    seats = asyncio.Semaphore(at_once)

    async def visit(interaction: Interaction) -> None:
        async with seats:
            try:
                reply = await _ask(assistant, interaction, pool)
            except FAILURES:
                pass  # the user sees an apology
            else:
                assistant.feedback(reply, solved=interaction.solved, thumb=interaction.thumb)
            done()

    with ThreadPoolExecutor(at_once) as pool:
        await asyncio.gather(*map(visit, interactions))


async def _ask(assistant: Assistant, interaction: Interaction, pool: Executor) -> Reply:
    loop = asyncio.get_running_loop()
    caller, text = interaction.caller, interaction.text
    if interaction.feature == "summarise":
        return await assistant.summarise(caller, "\n\n".join(text))
    if interaction.feature == "ingest":
        return await loop.run_in_executor(pool, assistant.ingest, caller, text)
    feature = {"support": assistant.support, "search": assistant.search}[interaction.feature]
    return await loop.run_in_executor(pool, feature, caller, text[0])
