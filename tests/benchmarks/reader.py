"""How answers are read from texts whose answer is known: ``python -m tests.benchmarks.reader --texts FILE``.

FILE is a Parquet with the columns source, text, options (null for mathematics), official_answer (what the source itself
extracted), and read_answer and read_by_hand (the answer as somebody read it, by written rules). For every rule and every
source it prints how many answers are right, wrong (another answer was read), lost (there is one, and none was read) and
invented (there is none, and one was read), against what was read by hand and against the official extraction.
"""

import argparse
import time
from collections import Counter

import pandas as pd

from rgd.answers.extraction import extract
from rgd.answers.mathematics import extract_latex
from rgd.answers.thoughts import after_reasoning
from rgd.answers.tidying import tidy
from rgd.engines.prompts import letter

OUTCOMES = ["right", "wrong", "lost", "invented"]


def outcome(read: str | None, expected: str | None) -> str:
    """What ``read`` is where ``expected`` is the answer; None is no answer."""
    if expected is None or read is None:
        return "right" if read is expected else "invented" if expected is None else "lost"
    return "right" if tidy(read) == tidy(expected) else "wrong"


def read(texts: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """``texts`` with the answers that are read and their rules, and the seconds that it took."""
    rows = list(zip(texts["text"], texts["options"], strict=True))
    start = time.process_time()
    found = []
    for text, options in rows:
        said = after_reasoning(text)
        if options is None:
            found.append(extract_latex(said))
        else:
            found.append(extract(said, "".join(map(letter, range(len(options)))), list(options)))
    seconds = time.process_time() - start
    read = pd.Series([each.answer for each in found], index=texts.index, dtype=object)
    return texts.assign(read=read, rule=[each.rule for each in found]), seconds


def counts(texts: pd.DataFrame, expected: str, by: str) -> pd.DataFrame:
    """The outcomes for every value of the column ``by`` and for all, against the column ``expected``."""
    outcomes = pd.Series(map(outcome, texts["read"], texts[expected]), index=texts.index)
    table = pd.crosstab(texts[by], outcomes).reindex(columns=OUTCOMES, fill_value=0)
    total = Counter(outcomes)
    table.loc["all"] = [total[name] for name in OUTCOMES]
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reader", description=__doc__)
    parser.add_argument("--texts", required=True, metavar="FILE", help="a Parquet of texts with known answers")
    frame = pd.read_parquet(parser.parse_args().texts).astype(object)
    texts, seconds = read(frame.where(frame.notna(), None))
    by_hand = texts[texts["read_by_hand"].astype(bool)]
    known = texts[texts["official"] != "none"] if "official" in texts else texts
    for title, part, expected in (("by hand", by_hand, "read_answer"), ("official", known, "official_answer")):
        for by in ("rule", "source"):
            print(f"{title}, by {by}\n{counts(part, expected, by).to_string()}\n")
    middling = texts[texts["text"].str.len().between(1_500, 2_500)]
    print(f"{1e6 * seconds / len(texts):.0f} µs a text of {texts['text'].str.len().mean():.0f} characters on average")
    if len(middling):
        print(
            f"{1e6 * read(middling)[1] / len(middling):.0f} µs a text of {middling['text'].str.len().mean():.0f} characters"
        )


if __name__ == "__main__":
    main()
