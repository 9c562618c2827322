"""Task ``sequences``: the next or missing term of a sequence made by a stated kind of rule."""

import numpy as np

from rgd.datasets.quickstart.drafts import Draft, choose, numeric, sample, whole

WORDINGS = ("Which number comes next: {}, ...?", "Continue the sequence {}, ...", "What is the next term of {}, ...?")


def ask(rng: np.random.Generator, terms: list[int], mistakes: list[int]) -> Draft:
    """A draft whose answer is the last term."""
    shown = ", ".join(map(str, terms[:-1]))
    return numeric(rng, choose(rng, WORDINGS).format(shown), terms[-1], sample(rng, mistakes, len(mistakes)))


def arithmetic(rng: np.random.Generator) -> Draft:
    """A constant difference."""
    start, step = whole(rng, 3, 90), choose(rng, (-7, -4, 6, 7, 8, 9, 11, 12, 13, 17, 19))
    start += 40 * (step < 0)
    terms = [start + step * place for place in range(6)]
    return ask(rng, terms, [terms[-1] + 1, terms[-1] - 1, terms[-2] + 10, terms[-1] + step])


def geometric(rng: np.random.Generator) -> Draft:
    """A constant ratio."""
    start, ratio = whole(rng, 2, 9), whole(rng, 2, 5)
    terms = [start * ratio**place for place in range(6)]
    return ask(rng, terms, [terms[-2] * (ratio + 1), terms[-1] + start, terms[-1] - ratio, 2 * terms[-2] - terms[-3]])


def growing(rng: np.random.Generator) -> Draft:
    """A difference that grows by a constant."""
    start, step, growth = whole(rng, 1, 20), whole(rng, 1, 6), whole(rng, 1, 5)
    terms = [start + step * place + growth * place * (place - 1) // 2 for place in range(7)]
    return ask(rng, terms, [terms[-1] - growth, terms[-1] + growth, terms[-1] + 1, terms[-2] + step])


def previous_two(rng: np.random.Generator) -> Draft:
    """Each term the sum of the two before."""
    terms = [whole(rng, 1, 9), whole(rng, 1, 12)]
    while len(terms) < 8:
        terms.append(terms[-1] + terms[-2])
    return ask(rng, terms, [terms[-2] * 2, terms[-1] + 1, terms[-1] - 2, 2 * terms[-2] - terms[-3]])


def interleaved(rng: np.random.Generator) -> Draft:
    """Two sequences in turn."""
    one, two, step, down = whole(rng, 2, 20), whole(rng, 40, 90), whole(rng, 2, 7), whole(rng, 2, 6)
    terms = [value for place in range(4) for value in (one + step * place, two - down * place)][: whole(rng, 7, 8)]
    return ask(rng, terms, [terms[-2] + step, terms[-1] + 1, terms[-1] - 1, terms[-2] - down])


def double_and_add(rng: np.random.Generator) -> Draft:
    """Each term the double, or triple, of the last, and a constant."""
    start, factor, extra = whole(rng, 1, 6), whole(rng, 2, 3), choose(rng, (-1, 1, 2, 3, 5))
    terms = [start + 2]
    while len(terms) < 6:
        terms.append(terms[-1] * factor + extra)
    return ask(rng, terms, [terms[-1] - extra, terms[-1] + extra, terms[-2] * factor - extra, terms[-1] + 10])


def alphabet(rng: np.random.Generator) -> Draft:
    """Letters at a constant distance."""
    step, start = choose(rng, (2, 3, 4, -2, -3)), whole(rng, 0, 25)
    letters = (
        [chr(65 + (start + step * place)) for place in range(5)]
        if 0 <= start + 4 * step <= 25
        else [chr(65 + abs(step) * place) for place in range(5)]
    )
    near = [chr(65 + (ord(letters[-1]) - 65 + shift) % 26) for shift in sample(rng, (-2, -1, 1, 2), 4)]
    return Draft(f"Which letter comes next: {', '.join(letters[:-1])}, ...?", letters[-1], tuple(near[:3]))


KINDS = (arithmetic, geometric, growing, previous_two, interleaved, double_and_add, alphabet)
