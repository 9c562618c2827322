"""The page of an experiment with hostile texts in it, made by the workflow and looked at in a real browser."""

import csv
import re
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.browser import opened
from tests.workflow.project import Project, make, write

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>{{7*7}}\"'`&<!--"
MEMBERS = ["strong", "middling", "weak", "silent"]
COUNT = 30
PAGE = "results/reports/hostile/report.html"


def make_data(root: Path) -> None:
    """Questions of two tasks with hostile texts, and recorded answers of four members."""
    root.mkdir()
    random = np.random.default_rng(0)
    ids = [f"q{number:02d}" for number in range(COUNT)]
    with (root / "questions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["number", "text", "a", "b", "c", "right", "kind"])
        for number, name in enumerate(ids):
            words = f"Question {number} {ATTACK}"
            table.writerow(
                [name, words, f"red {ATTACK}", "green", "blue", "ABC"[number % 3], "odd" if number % 2 else "even"]
            )
    folder = root / "recorded/hostile/writers"
    folder.mkdir(parents=True)
    for member, share in zip(MEMBERS, (0.9, 0.6, 0.3, 0.0), strict=True):
        answers = ["ABC"[(number + int(random.random() >= share)) % 3] for number in range(COUNT)]
        given = [None if member == "silent" else answer for answer in answers]
        columns = {"question_id": ids, "answer": pa.array(given, pa.string()), "confidence": random.random(COUNT)}
        columns["text"] = [f"{member} wrote {ATTACK}"] * COUNT
        pq.write_table(pa.table(columns), folder / f"{member}.parquet")
    vectors = random.normal(size=(COUNT, 64)).astype(np.float32)
    pq.write_table(
        pa.table({"question_id": ids, "embedding": list(vectors)}), root / "recorded/hostile/vectors.parquet"
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("report")
    made = make(folder / "project", folder / "no models")
    make_data(folder / "data")
    config = made.folder / "config"
    columns = {"id": "number", "question": "text", "options": ["a", "b", "c"], "label": "right", "label_form": "letter"}
    write(
        config / "dataset/hostile.yaml",
        title=f"Hostile {ATTACK}",
        adapter="multiple_choice",
        source={"file": str(folder / "data/questions.csv"), "columns": {**columns, "task": "kind"}},
        tasks={"even": f"Even {ATTACK}", "odd": "Odd."},
        recorded="hostile",
        recorded_embeddings="vectors.parquet",
        embedder="tiny-embedder",
        generated_queries=1,
    )
    write(config / "pool/writers.yaml", title=f"Writers {ATTACK}", recorded="writers", members=MEMBERS)
    write(
        config / "experiment/hostile.yaml",
        title=f"An experiment {ATTACK}",
        datasets=["hostile"],
        scenarios=["real"],
        pools=["writers"],
        routers=["cascal", "knn", "topk", "single", "majority"],
        seeds=[0, 1],
        report=True,
        bundles=["knn"],
        figures=["accuracy"],
    )
    done = made.run(*arguments(made))
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def arguments(project: Project) -> list[str]:
    return ["--config", "experiment=hostile", f"data_root={project.folder.parent / 'data'}"]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light")])
def test_the_page_shows_hostile_texts_as_texts_and_does_nothing_else(
    project: Project, width: int, scheme: str, tmp_path: Path
) -> None:
    with opened(project.folder / PAGE, width, scheme) as (tab, seen):
        tab.wait_for_selector("#steps .step")
        # What the page itself takes, without the browser's start: seconds in which its thread was busy.
        metrics = tab.context.new_cdp_session(tab)
        metrics.send("Performance.enable")
        assert tab.title() == f"An experiment {ATTACK}"
        assert tab.locator("h1").inner_text() == f"An experiment {ATTACK}"
        said = tab.locator("#steps").inner_text()
        assert ATTACK in said
        # Nothing that was written became an element, and the page is no wider than the window.
        assert tab.locator("iframe, script:not([type='application/json'])").count() == 1
        figures = tab.locator("img")
        assert figures.count() == tab.locator("img[src^='data:image/svg+xml;base64,'][alt]").count() == 2
        assert figures.evaluate_all("found => found.every((each) => each.naturalWidth > 100)")
        assert tab.locator("svg[onload]").count() == 0
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = np.mean([int(part) for part in re.findall(r"\d+", background)[:3]])
        assert (brightness < 80) == (scheme == "dark")
        tab.screenshot(path=tmp_path / "page.png", full_page=True)
        busy = {each["name"]: each["value"] for each in metrics.send("Performance.getMetrics")["metrics"]}
        assert busy["ScriptDuration"] + busy["LayoutDuration"] + busy["RecalcStyleDuration"] < 2
        assert seen.nothing(), seen
    assert (tmp_path / "page.png").stat().st_size > 20_000


def test_a_walk_from_question_to_answer(project: Project) -> None:
    routes = pq.read_table(project.folder / "results/routes/hostile/real/writers/knn.parquet").to_pylist()
    labels = pq.read_table(project.folder / "results/labels/hostile/benchmark.parquet").to_pylist()
    label = {row["query_id"]: row["label"] for row in labels}
    first = [row for row in routes if row["seed"] == 0]
    with opened(project.folder / PAGE, 1280) as (tab, seen):
        tab.select_option("select[name=router]", "knn")
        tab.select_option("select[name=variant]", label="top3")
        items = tab.locator("#questions button")
        assert items.count() == len(first)
        items.nth(3).click()
        steps = tab.locator("#steps .step")
        assert steps.count() == 5
        question, place, ranking, votes, answer = (steps.nth(number).inner_text() for number in range(5))
        row = first[3]
        assert f"Question {int(row['query_id'][1:])} " in question
        assert "✓ right" in question
        assert place.count("Question") >= 3
        ranks = [ranking.index(f"{number}. {member}") for number, member in enumerate(row["ranking"], start=1)]
        assert ranks == sorted(ranks)
        assert all(f"{member} wrote {ATTACK}" in votes for member in row["asked_top3"])
        assert ("✓" in answer) == (row["answer_top3"] == label[row["query_id"]])
        tab.locator("#steps summary").click()
        assert "routes/hostile/real/writers/knn.parquet" in steps.nth(4).inner_text()
        # Only those that are right, and then those in which a word occurs.
        tab.select_option("select[name=only]", "right")
        right = sum(each["answer_top3"] == label[each["query_id"]] for each in first)
        assert items.count() == right
        tab.select_option("select[name=only]", "all")
        tab.fill("input[name=search]", f"question {int(first[0]['query_id'][1:])} ")
        assert items.count() == 1
        tab.fill("input[name=search]", "nowhere")
        assert tab.locator("#questions").inner_text() == "No query is like that."
        assert seen.nothing(), seen


def test_keys_reach_everything_and_the_theme_changes(project: Project) -> None:
    with opened(project.folder / PAGE, 1280) as (tab, seen):
        tab.locator("#questions button").nth(1).focus()
        tab.keyboard.press("Enter")
        assert tab.locator("#questions button").nth(1).get_attribute("aria-current") == "true"
        tab.click("#theme")
        tab.click("#theme")
        assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
        assert tab.locator("#theme").inner_text() == "Theme: dark"
        assert seen.nothing(), seen


def test_the_page_asks_for_nothing_and_is_small(project: Project) -> None:
    page = (project.folder / PAGE).read_text(encoding="utf-8")
    assert len(page) < 500_000
    assert page.count("<img") == 2
    assert page.count("</script>") == 2
    assert re.search(r"default-src 'none'", page)
    assert not re.search(r"""(?:src|href|action)\s*=\s*["']?(?:https?:)?//""", page)
    assert "@import" not in page
    assert "url(" not in page


def test_the_page_is_the_same_again_and_stays_when_nothing_changed(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path / "project")
    before = (copy.folder / PAGE).read_bytes()
    assert copy.pending(*arguments(project)) == set()
    (copy.folder / PAGE).unlink()
    done = copy.run("report", *arguments(project))
    assert done.returncode == 0, done.stderr
    assert (copy.folder / PAGE).read_bytes() == before


def test_snakemakes_own_report_has_the_page_and_captions(project: Project, tmp_path: Path) -> None:
    target = tmp_path / "report.zip"
    done = project.run("--report", str(target), *arguments(project))
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        texts = "".join(
            archive.read(name).decode("utf-8", "replace") for name in names if name.endswith((".js", ".html", ".rst"))
        )
    assert any(name.endswith(".svg") for name in names)
    assert any(name.endswith("report.html") for name in names)
    # The captions of a figure and of the page, with what Snakemake fills in.
    assert "arXiv 2601.09692" in texts
    assert re.search(r"experiment\W+hostile", texts)


def test_a_bundle_of_recorded_answers_routes_as_the_workflow_did(project: Project) -> None:
    from rgd.artifacts.columns import texts, vectors_of
    from rgd.tool import load

    results = project.folder / "results"
    routes = pq.read_table(results / "routes/hostile/real/writers/knn.parquet")
    routes = routes.filter(routes["seed"].to_numpy() == 0)
    vectors = vectors_of(results / "embeddings/hostile/benchmark.parquet", texts(routes["query_id"]))
    decisions = load(results / "bundles/hostile/real/writers/knn").route_vectors(vectors)
    found = [[each.member for each in decision.ranking] for decision in decisions]
    assert found == routes["ranking"].to_pylist()
    assert {near.task for decision in decisions for near in decision.nearest} == {"even", "odd"}


def test_rgd_export_writes_what_the_workflow_does(project: Project, tmp_path: Path) -> None:
    path = "results/routers/hostile/real/writers/knn.parquet"
    done = project.rgd("export", path, str(tmp_path / "bundle"), *arguments(project))
    assert done.returncode == 0, done.stderr
    made = project.folder / "results/bundles/hostile/real/writers/knn"
    for file in (tmp_path / "bundle").iterdir():
        assert file.read_bytes() == (made / file.name).read_bytes(), file.name
    again = project.rgd("export", path, str(tmp_path / "bundle"), *arguments(project))
    assert again.returncode == 1
    assert str(tmp_path / "bundle") in again.stderr
    seed = project.rgd("export", path, str(tmp_path / "other"), "--seed", "7", *arguments(project))
    assert all(word in seed.stderr for word in ("--seed 7", "hostile", "[0, 1]"))
    assert not (tmp_path / "other").exists()
