"""Whatever is asked, compacted, handed on and raced for, and in whatever order: no answer is lost, changed or asked twice."""

import itertools
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rgd.store import chunks, upkeep
from rgd.store.answers import Store
from rgd.store.exchange import export_answers, import_answers
from tests.store_world import SETTINGS, CountingEngine, answer, ask, questions, texts

QUESTIONS = questions(12)
STORES = st.integers(0, 1)
SPANS = st.tuples(st.integers(0, 11), st.integers(1, 12)).map(sorted).filter(lambda span: span[0] < span[1])
STEPS = st.one_of(
    st.tuples(st.just("fill"), STORES, SPANS, st.integers(1, 5)),
    st.tuples(st.just("race"), STORES, SPANS),
    st.tuples(st.just("compact"), STORES, st.integers(2, 16)),
    st.tuples(st.just("hand on"), STORES, st.sampled_from([".tar", ""])),
)


class World:
    """Two stores, and by question what each has answered; every asking gets a text of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stores = [Store(folder / "one"), Store(folder / "two")]
        self.kept: list[dict[str, str]] = [{}, {}]
        self.serial = itertools.count()

    def fill(self, at, span, chunk_size):
        engine = CountingEngine(text=lambda request: f"{request.question} {next(self.serial)}")
        ask(self.stores[at], QUESTIONS[slice(*span)], engine, chunk_size=chunk_size)
        asked = [request.question for call in engine.calls for request in call]
        assert len(asked) == len(set(asked))
        assert not set(asked) & set(self.kept[at])
        self.learn(at, asked)

    def race(self, at, span):
        """Two writers who could not see each other have answered the same: the first file by name counts from now on."""
        requests = QUESTIONS[slice(*span)]
        given_ = [answer(request, f"{request.question} {next(self.serial)}") for request in requests]
        self.stores[at].commit(SETTINGS, requests, given_, {})
        folder = self.stores[at].folder(SETTINGS)
        counts: dict[str, str] = {}
        for name in chunks.names(folder):
            table = chunks.read(folder / name, ["query_key", "text"]).to_pydict()
            for key, text in zip(table["query_key"], table["text"], strict=True):
                counts.setdefault(key, text)
        self.kept[at] = {r.question: counts[r.query_key] for r in QUESTIONS if r.query_key in counts}

    def compact(self, at, limit):
        for folder in upkeep.folders(self.stores[at].root) if self.kept[at] else ():
            upkeep.compact(folder, limit)
            assert upkeep.verify(self.stores[at].root).duplicates == 0

    def hand_on(self, at, suffix):
        if not self.kept[at]:
            return
        target = self.folder / f"{next(self.serial)}{suffix}"
        export_answers(self.stores[at].root, target)
        done = import_answers(self.stores[1 - at].root, target)
        new = self.kept[at].keys() - self.kept[1 - at].keys()
        assert done.added == len(new)
        self.kept[1 - at] |= {question: self.kept[at][question] for question in new}

    def learn(self, at, asked):
        requests = [request for request in QUESTIONS if request.question in asked]
        found = texts(self.stores[at], requests) if requests else []
        self.kept[at] |= {request.question: text for request, text in zip(requests, found, strict=True)}

    def check(self):
        for store, kept in zip(self.stores, self.kept, strict=True):
            answered = store.answered(SETTINGS, [request.query_key for request in QUESTIONS])
            assert answered.tolist() == [request.question in kept for request in QUESTIONS]
            requests = [request for request in QUESTIONS if request.question in kept]
            assert texts(store, requests) == [kept[request.question] for request in requests]
            if kept:
                found = upkeep.verify(store.root)
                assert (found.answers, found.damaged, found.left_over) == (len(kept), [], [])


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, min_size=2, max_size=9))
def test_every_answer_is_kept_as_it_was(steps):
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for kind, *arguments in steps:
            getattr(world, kind.replace(" ", "_"))(*arguments)
            world.check()
