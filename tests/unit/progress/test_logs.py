"""What a job's log tells of its progress, its warnings and its failure."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.progress import logs, words
from rgd.progress.logs import Count
from rgd.progress.run import Job

BAR = "Converting and de-quantizing GGUF tensors...:  19%|#8        | 54/291 [00:06<00:09, 24.56it/s]"
FAILED = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n    f(\n      ^^\n'


@given(
    st.text(st.characters(categories=["L", "N"], include_characters=" ,._-"), min_size=1).map(str.strip).filter(bool),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.sampled_from(["", "MB"]),
    st.none() | st.floats(0, 1e6).map(lambda rate: round(rate, 1)),
    st.none() | st.integers(0, 10**6),
    st.sampled_from(["", ", 980 tokens/s"]),
    st.sampled_from(["", ", 24 s left"]),
)
def test_a_line_is_read_as_it_was_written(title, done, total, unit, rate, asked, further, end) -> None:
    count = Count(title, done, total, unit, rate, asked)
    assert logs.counted(logs.line(count, further) + end) == count


def test_where_nothing_is_back_yet_it_is_told_how_many_are_asked() -> None:
    said = words.counted(Count("queries", 0, 420, rate=0.0, asked=32))
    assert said.startswith("32 of 420")
    assert "/s" not in said
    assert "/s" not in words.counted(Count("weights", 0, 420, "MB", 0.0))
    assert words.counted(Count("queries", 1, 420, rate=0.5, asked=32)) == "1 of 420, 0.5/s"


@pytest.mark.parametrize(
    "text",
    [
        "answers: 128 of 420 to ask, 292 in the store",
        "seed 3: 12 of 40 labels are there",
        "loaded x in 3.1 s",
        "answers: , of ,",
        "",
    ],
)
def test_a_line_that_counts_nothing(text: str) -> None:
    assert logs.counted(text) is None


def test_a_bar_counts() -> None:
    assert logs.counted(BAR) == Count("Converting and de-quantizing GGUF tensors...", 54, 291, "", 24.56)
    assert logs.counted("Loading:   0%|          | 0/8 [00:00<?, ?it/s]") == Count("Loading", 0, 8)


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("one\ntwo\n\n", "two"),
        ("one\n10%\r20%\r", "20%"),
        ("one\nINFO 11-28 [core.py:77] a\n(EngineCore pid=1) WARNING b\n[W1128 utils.cpp] c\nW1128 04:20 d\n", "one"),
        ("one\n/a/b.py:3: UserWarning: c\n  warnings.warn(\n", "one"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("", ""),
    ],
)
def test_the_last_line_is_of_no_library_and_steers_no_terminal(tmp_path: Path, text: str, last: str) -> None:
    log = tmp_path / "job.log"
    log.write_text(text, newline="")
    assert logs.last_line(log) == last


def test_a_log_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert (logs.last_line(absent), logs.warnings(absent), logs.failure(absent, "fit")) == ("", [], [])


def test_warnings_are_told_once(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("warning: a\nb\nwarning: a\n0 rows dropped\n3 rows dropped (2 empty)\n/x.py:1: UserWarning: c\n")
    assert logs.warnings(log) == ["warning: a", "3 rows dropped (2 empty)"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("answers: 3 of 4\nfit: the file X is odd.\nMend it.\n", ["the file X is odd.", "Mend it."]),
        (f"a line\n{FAILED}ValueError: one\ntwo\n", ["ValueError: one", "two"]),
        (f"{FAILED}KeyError: 'a'\n\nDuring handling\n\n{FAILED}rgd.Odd: b\n", ["rgd.Odd: b"]),
        ("answers: 3 of 4\n", []),
        ("refit: of another rule\n", []),
    ],
)
def test_a_failure_is_the_message_or_the_error(tmp_path: Path, text: str, reason: list[str]) -> None:
    log = tmp_path / "job.log"
    log.write_text(text)
    assert logs.failure(log, "fit") == reason


def test_a_start_that_failed_is_read_from_the_log_of_snakemake(tmp_path: Path) -> None:
    log = tmp_path / "snakemake.log"
    log.write_text(f"{FAILED.replace('x.py', '/p/.snakemake/scripts/tmp1.fit.py')}ImportError: a\nRuleException:\nb\n")
    assert logs.failed_start(log) == ["ImportError: a"]
    log.write_text(f"{FAILED}ImportError: a\nRuleException:\nb\n")
    assert logs.failed_start(log) == []


def test_a_count_stays_until_all_of_it_is_done() -> None:
    some, all_ = Count("f.gguf", 3, 9, "MB"), Count("f.gguf", 9, 9, "MB")
    assert logs.still_counted("waiting for the disk", some) == some
    assert logs.still_counted("f.gguf: converting", all_) is None
    assert logs.still_counted("f.gguf: 4 of 9 MB", some) == Count("f.gguf", 4, 9, "MB")
    assert logs.still_counted("f.gguf: fetching", None) is None


def test_what_is_counted_is_named_where_the_job_is_named_after_something_else() -> None:
    job = Job(1, "fetch_model", "Fetching the weights of m", count=logs.counted(BAR))
    assert "tensors: 54 of 291" in words.at_work(job, 0.0)
    job = Job(1, "ask_answers", "m answers q", asks="m", count=Count("answers", 54, 291))
    assert words.at_work(job, 0.0).endswith("): 54 of 291")
    job.count = logs.counted(logs.line(Count("m" + logs.TOGETHER, 54, 291, rate=2.0), ", 7 s left"))
    assert words.at_work(job, 0.0).endswith("): 54 of 291, 2.0/s, all query sets")
