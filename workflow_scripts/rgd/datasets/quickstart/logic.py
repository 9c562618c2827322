"""Task ``logic``: orderings, truth values, turns, exchanges, syllogisms; the answer is worked out from the model that made the text."""

from itertools import pairwise

import numpy as np

from rgd.datasets.quickstart.drafts import Draft, choose, name_list, numeric, sample, three_of, whole

NAMES = (
    "Ada",
    "Ben",
    "Chidi",
    "Dana",
    "Emre",
    "Fatou",
    "Goran",
    "Hana",
    "Ivo",
    "Jun",
    "Karim",
    "Lena",
    "Milo",
    "Nora",
    "Omar",
    "Petra",
)
POINTS = ("north", "east", "south", "west")
THINGS = ("the red ball", "the blue ball", "the green ball", "the yellow ball")


def ordering(rng: np.random.Generator) -> Draft:
    """Four or five people in a row by pairs in mixed order."""
    people = sample(rng, NAMES, whole(rng, 4, 5))
    more, most, least = choose(
        rng, (("taller", "tallest", "shortest"), ("older", "oldest", "youngest"), ("faster", "fastest", "slowest"))
    )
    facts = [f"{high} is {more} than {low}." for high, low in pairwise(people)]
    question, answer = choose(
        rng,
        (
            (f"Who is the {most}?", people[0]),
            (f"Who is the {least}?", people[-1]),
            (f"Who is the second {most}?", people[1]),
            (f"Who is the third {most}?", people[2]),
        ),
    )
    return Draft(f"{' '.join(sample(rng, facts, len(facts)))} {question}", answer, three_of(rng, answer, people))


def truth(rng: np.random.Generator) -> Draft:
    """Which assignment makes a formula true."""
    signs = [choose(rng, ("and", "or")) for _ in range(2)]
    negated = [choose(rng, (True, False)) for _ in range(3)]
    formula = "({} {} {}) {} {}".format(
        *(
            f"{'not ' if negated[0] else ''}P",
            signs[0],
            f"{'not ' if negated[1] else ''}Q",
            signs[1],
            f"{'not ' if negated[2] else ''}R",
        )
    )

    def holds(values: tuple[bool, ...]) -> bool:
        p, q, r = (one != flip for one, flip in zip(values, negated, strict=True))
        first = (p and q) if signs[0] == "and" else (p or q)
        return (first and r) if signs[1] == "and" else (first or r)

    rows = [(p, q, r) for p in (True, False) for q in (True, False) for r in (True, False)]
    wanted = sum(map(holds, rows)) <= 4
    good = [row for row in rows if holds(row) == wanted]
    bad = [row for row in rows if holds(row) != wanted]

    def show(row: tuple[bool, ...]) -> str:
        return ", ".join(f"{name} is {'true' if value else 'false'}" for name, value in zip("PQR", row, strict=True))

    answer = show(choose(rng, good))
    return Draft(
        f'Which case makes "{formula}" {"true" if wanted else "false"}?',
        answer,
        three_of(rng, answer, [show(row) for row in bad]),
    )


def turns(rng: np.random.Generator) -> Draft:
    """The direction after some turns."""
    place = whole(rng, 0, 3)
    start, told = POINTS[place], []
    for _ in range(whole(rng, 2, 5)):
        word, change = choose(rng, (("left", -1), ("right", 1), ("around", 2)))
        place = (place + change) % 4
        told.append(f"turns {word}")
    answer = POINTS[place]
    return Draft(
        f"{choose(rng, NAMES)} faces {start}, then {name_list(told)}. Which way is that now?",
        answer,
        tuple(point for point in POINTS if point != answer),
    )


def exchanges(rng: np.random.Generator) -> Draft:
    """Who has what after some exchanges."""
    people, things = sample(rng, NAMES, 4), sample(rng, THINGS, 4)
    held = dict(zip(people, things, strict=True))
    text = ", ".join(f"{person} has {thing}" for person, thing in held.items())
    steps = []
    for _ in range(whole(rng, 2, 4)):
        one, two = sample(rng, people, 2)
        held[one], held[two] = held[two], held[one]
        steps.append(f"{one} and {two} swap")
    person = choose(rng, people)
    answer = held[person]
    return Draft(
        f"At first {text}. Then {', then '.join(steps)}. What does {person} have at the end?",
        answer,
        tuple(thing for thing in things if thing != answer),
    )


def syllogism(rng: np.random.Generator) -> Draft:
    """What follows from two statements about invented sorts of things."""
    one, two, three = sample(rng, ("bloops", "razzies", "lazzies", "fibbers", "wumps", "tovers", "glims", "drells"), 3)
    text, answer, wrong = choose(
        rng,
        (
            (
                f"All {one} are {two}. All {two} are {three}.",
                f"All {one} are {three}.",
                (f"All {three} are {one}.", f"No {one} are {three}.", f"All {two} are {one}."),
            ),
            (
                f"All {one} are {two}. No {two} are {three}.",
                f"No {one} are {three}.",
                (f"All {one} are {three}.", f"Some {three} are {one}.", f"All {two} are {one}."),
            ),
            (
                f"Some {one} are {two}. All {two} are {three}.",
                f"Some {one} are {three}.",
                (f"All {one} are {three}.", f"No {three} are {one}.", f"All {three} are {two}."),
            ),
            (
                f"No {one} are {two}. Some {three} are {one}.",
                f"Some {three} are not {two}.",
                (f"All {three} are {two}.", f"Some {one} are {two}.", f"All {three} are {one}."),
            ),
        ),
    )
    return Draft(f"{text} Which conclusion must be true?", answer, wrong)


def seats(rng: np.random.Generator) -> Draft:
    """A queue: how many stand between, in front, altogether."""
    front, behind, name = whole(rng, 2, 15), whole(rng, 2, 15), choose(rng, NAMES)
    question, answer, wrong = choose(
        rng,
        (
            (
                f"In a queue, {front} people stand in front of {name} and {behind} behind. How many people are in the queue?",
                front + behind + 1,
                [front + behind, front + behind + 2, front + behind - 1],
            ),
            (
                f"{name} is number {front} from the front of a queue and number {behind} from the back. How many people are in the queue?",
                front + behind - 1,
                [front + behind, front + behind + 1, front + behind - 2],
            ),
        ),
    )
    return numeric(rng, question, answer, wrong)


KINDS = (ordering, truth, turns, exchanges, syllogism, seats)
