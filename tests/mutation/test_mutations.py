"""Deliberate faults in the routers and statistics: each must be caught by the test that is named beside it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workflow_scripts" / "rgd"
CLUSTERING = "tests/unit/routing/test_clustering.py"
CONSENSUS = "tests/property/test_consensus_properties.py"
BENCHMARK_ROUTING = "tests/property/test_benchmark_routing_properties.py"
ROUTERS = "tests/property/test_routers_properties.py"
CONTRACT = "tests/unit/routers/test_contract.py"
LLMRANK = "tests/property/test_llmrank_properties.py"
STATISTICS = "tests/property/test_statistics_properties.py"
PAIRED = "tests/unit/scoring/test_paired_differences.py"


@dataclass(frozen=True)
class Fault:
    """``old`` becomes ``new`` in ``file``; ``test`` must then fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


FAULTS = (
    Fault(
        "z by the test queries' own statistics",
        "routers/__init__.py",
        "z = z_scores(usable_confidence(answers, confidence), router.mu_, router.sigma_)",
        "u = usable_confidence(answers, confidence); z = z_scores(u, *__import__('rgd.routing.consensus').consensus.normalise(u))",
        "tests/unit/routers/test_interface.py::test_test_votes_are_measured_by_training_mu_and_sigma",
    ),
    Fault(
        "missing answers agree with each other",
        "routing/consensus.py",
        "np.where((answers == column) & (column >= 0),",
        "np.where((answers == column),",
        f"{CONSENSUS}::test_references_are_those_of_the_slow_twin",
    ),
    Fault(
        "a single vote is a majority",
        "routing/consensus.py",
        "(votes == most) & (votes >= min_votes)",
        "(votes == most)",
        f"{CONSENSUS}::test_consensus_is_that_of_the_slow_twin",
    ),
    Fault(
        "logistic weights are not clamped",
        "routing/consensus.py",
        "LOWEST_WEIGHT, HIGHEST_WEIGHT = 0.01, 0.99",
        "LOWEST_WEIGHT, HIGHEST_WEIGHT = 0.0, 1.0",
        "tests/unit/routing/test_consensus.py",
    ),
    Fault(
        "the posterior counts an answer once per giver",
        "routing/consensus.py",
        "(exponentials * share).sum",
        "exponentials.sum",
        f"{CONSENSUS}::test_consensus_is_that_of_the_slow_twin",
    ),
    Fault(
        "a tie goes to the worse rank",
        "routing/votes.py",
        "np.lexsort((-place,",
        "np.lexsort((place,",
        f"{CONSENSUS}::test_vote_is_that_of_the_slow_twin",
    ),
    Fault(
        "a tie goes by rank before z",
        "routing/votes.py",
        "(-place, summed_z(given, asked_z).round(DECIMALS), support",
        "(summed_z(given, asked_z).round(DECIMALS), -place, support",
        f"{CONSENSUS}::test_vote_is_that_of_the_slow_twin",
    ),
    Fault(
        "equal neighbours in any order",
        "routing/neighbours.py",
        "order = np.lexsort((chosen, -kept), axis=1)",
        "order = np.lexsort((-chosen, -kept), axis=1)",
        f"{CONSENSUS}::test_neighbours_are_those_of_the_slow_twin",
    ),
    Fault(
        "the silhouette counts the point itself",
        "routing/clustering.py",
        "np.maximum(own_size - 1, 1)",
        "own_size",
        f"{CONSENSUS}::test_silhouette_is_that_of_the_slow_twin_and_of_scikit_learn",
    ),
    Fault(
        "k-means forgets the weights",
        "routing/clustering.py",
        "np.where(labels[run] == cluster[:, None], weights[run], np.float32(0.0))",
        "np.where(labels[run] == cluster[:, None], part[run], np.float32(0.0))",
        f"{CLUSTERING}::test_lloyd_is_its_slow_twin",
    ),
    Fault(
        "k-means stops after one iteration",
        "routing/clustering.py",
        "MAX_ITERATIONS = 300",
        "MAX_ITERATIONS = 1",
        f"{CLUSTERING}::test_lloyd_is_its_slow_twin",
    ),
    Fault(
        "a cluster without points stays empty",
        "routing/clustering.py",
        "labels[emptied, farthest] = lost[0]",
        "continue",
        f"{CLUSTERING}::test_a_cluster_without_points_takes_the_farthest",
    ),
    Fault(
        "k-means starts from points drawn alike",
        "routing/clustering.py",
        "np.cumsum(weights[open_runs] * distance[open_runs],",
        "np.cumsum(weights[open_runs],",
        f"{CLUSTERING}::test_starts_are_good_before_any_iteration",
    ),
    Fault(
        "a run's silhouette counts points outside it",
        "routing/clustering.py",
        "part = labels[index] >= 0",
        "part = labels[index] >= -1",
        f"{CLUSTERING}::test_silhouettes_of_many_runs_are_those_of_each",
    ),
    Fault(
        "vectors in the order of the file",
        "artifacts/columns.py",
        "place[rows_in(embedded, query_ids)] = np.arange(len(query_ids))",
        "place[np.sort(rows_in(embedded, query_ids))] = np.arange(len(query_ids))",
        "tests/unit/routing/test_training.py::test_vectors_come_in_the_order_asked_for",
    ),
    Fault(
        "every router is given the true tasks of test queries",
        "routers/contract.py",
        "            if value is not None:\n",
        '            if value is not None and name != "tasks":\n',
        f"{CONTRACT}::test_whoever_runs_a_router_gives_it_what_its_class_declares_and_no_more",
    ),
    Fault(
        "a ranking may name a member twice",
        "routers/contract.py",
        "(np.sort(ranking, axis=1) != np.arange(pool))",
        "(np.sort(ranking, axis=1) > pool)",
        f"{CONTRACT}::test_a_rank_or_an_answer_that_breaks_the_contract_is_one_message",
    ),
    Fault(
        "a wrong silhouette threshold",
        "routers/cascal.py",
        "silhouette_threshold: Annotated[float, Ge(-1), Le(1)] = 0.05",
        "silhouette_threshold: Annotated[float, Ge(-1), Le(1)] = 0.2",
        f"{ROUTERS}::test_cascal_is_its_slow_twin",
    ),
    Fault(
        "a wrong merging distance",
        "routers/cascal.py",
        "merge_distance: NotNegative = 0.15",
        "merge_distance: NotNegative = 0.3",
        f"{ROUTERS}::test_cascal_is_its_slow_twin",
    ),
    Fault(
        "merging the first near pair, not the closest",
        "routers/cascal.py",
        "np.unravel_index(np.argmin(gaps), gaps.shape)",
        "np.unravel_index(np.argmax(gaps <= distance), gaps.shape)",
        "tests/unit/routers/test_cascal.py::test_merging_starts_with_the_closest_pair",
    ),
    Fault(
        "merged centroids are not normalised",
        "routers/cascal.py",
        "centroids[first] = unit(counts[pair] @ centroids[pair][None])[0]",
        "centroids[first] = counts[pair] @ centroids[pair]",
        "tests/unit/routers/test_cascal.py::test_merging_starts_with_the_closest_pair",
    ),
    Fault(
        "merging forgets the seed counts",
        "routers/cascal.py",
        "unit(counts[pair] @ centroids[pair][None])[0]",
        "unit(centroids[pair].sum(axis=0)[None])[0]",
        "tests/unit/routers/test_cascal.py::test_merging_weighs_by_seed_count_and_goes_on",
    ),
    Fault(
        "pruning keeps the smaller cluster",
        "routers/cascal.py",
        "np.lexsort((survivor, -sizes))",
        "np.lexsort((survivor, sizes))",
        f"{ROUTERS}::test_cascal_is_its_slow_twin",
    ),
    Fault(
        "pruned queries follow the survivor",
        "routers/cascal.py",
        'if self.pruned_queries == "survivor":',
        "if True:",
        f"{ROUTERS}::test_cascal_is_its_slow_twin",
    ),
    Fault(
        "centroids of other tasks are in the running",
        "routers/cascal.py",
        "np.where(self.centroid_tasks_ == task[:, None], similarity, -np.inf)",
        "np.where(self.centroid_tasks_ >= 0, similarity, -np.inf)",
        f"{ROUTERS}::test_cascal_is_its_slow_twin",
    ),
    Fault(
        "the share of the pool does not weigh the centroids",
        "routers/cascal.py",
        "share[:, None] if self.weight_by_share else 1.0",
        "1.0",
        f"{ROUTERS}::test_released_cascal_is_its_slow_twin",
    ),
    Fault(
        "the mixture never moves to the global ranking",
        "routers/cascal.py",
        "return (1.0 - far) * mixed + far * shares(self.global_scores_)",
        "return mixed",
        f"{ROUTERS}::test_released_cascal_is_its_slow_twin",
    ),
    Fault(
        "the global scores are sharpened",
        "routers/cascal.py",
        "far * shares(self.global_scores_)",
        "far * softmax(self.global_scores_ / self.score_temperature)",
        f"{ROUTERS}::test_released_cascal_is_its_slow_twin",
    ),
    Fault(
        "a centroid that was taken goes on taking",
        "routers/cascal.py",
        "taker[first] = second\n                break",
        "taker[first] = second",
        f"{ROUTERS}::test_merging_as_released_is_its_slow_twin",
    ),
    Fault(
        "a median absolute deviation of 0 ends the fallback",
        "routing/consensus.py",
        "widths.insert(0, MAD_TO_SIGMA",
        "widths = [0.0]\n            widths.insert(0, MAD_TO_SIGMA",
        "tests/unit/routing/test_consensus.py::test_a_median_absolute_deviation_of_zero_gives_way_to_the_standard_deviation",
    ),
    Fault(
        "SMOOTHIE adds the distance of the other two",
        "routers/smoothie.py",
        "to_others - among_others)",
        "to_others + among_others)",
        f"{ROUTERS}::test_smoothie_is_its_slow_twin",
    ),
    Fault(
        "SMOOTHIE looks at one query too few",
        "routers/smoothie.py",
        "queries.nearest(self.neighbours,",
        "queries.nearest(max(1, self.neighbours - 1),",
        f"{ROUTERS}::test_smoothie_is_its_slow_twin",
    ),
    Fault(
        "AVENGERS goes to the longest centroid",
        "routers/avengers.py",
        "(self.centroids_**2).sum(axis=1) - 2.0",
        "0.0 - 2.0",
        f"{ROUTERS}::test_avengers_is_its_slow_twin",
    ),
    Fault(
        "kNN chooses k with each query among its own neighbours",
        "routers/knn.py",
        "self.k_grid[-1], own=rows)",
        "self.k_grid[-1])",
        f"{ROUTERS}::test_knn_is_its_slow_twin",
    ),
    Fault(
        "LLMRANK compares the pool's logits with its utilities",
        "routers/llmrank.py",
        "functional.log_softmax(predicted.sigmoid() / temperature, dim=1)",
        "functional.log_softmax(predicted / temperature, dim=1)",
        f"{LLMRANK}::test_the_loss_is_the_slow_twins",
    ),
    Fault(
        "LLMRANK takes the divergence the wrong way round",
        "routers/llmrank.py",
        "functional.kl_div(guessed, true,",
        "functional.kl_div(true, guessed,",
        f"{LLMRANK}::test_a_step_down_the_gradient_lowers_the_slow_twins_loss",
    ),
    Fault(
        "LLMRANK's hidden units are not rectified",
        "routers/llmrank.py",
        "(inputs @ hidden_weights + hidden_bias).clip(min=0)",
        "(inputs @ hidden_weights + hidden_bias)",
        f"{LLMRANK}::test_the_ranking_of_given_weights_is_the_slow_twins",
    ),
    Fault(
        "LLMRANK trains on the queries that decide when it ends",
        "routers/llmrank.py",
        "order = random.permutation(kept)",
        "order = random.permutation(len(inputs))",
        f"{LLMRANK}::test_the_weights_kept_have_the_least_loss_on_the_held_out_queries",
    ),
    Fault(
        "LLMRANK centres the training queries alone",
        "routers/llmrank.py",
        "network.hidden_bias - centre @ self.hidden_weights_",
        "network.hidden_bias",
        "tests/unit/routers/test_llmrank.py::test_moving_and_stretching_all_embeddings_changes_no_utility",
    ),
    Fault(
        "a step back runs on into the next block",
        "answers/features.py",
        "zip(tags, starts[1:], strict=True)",
        "zip(tags, [*starts[1:2], *(len(text) for _ in tags[1:])], strict=True)",
        "tests/property/test_features.py::test_text_before_the_form_and_a_second_one_change_nothing",
    ),
    Fault(
        "neighbours found block by block are those of the block",
        "routing/neighbours.py",
        "back.append((found + np.int32(start), similarity))",
        "back.append((found, similarity))",
        f"{BENCHMARK_ROUTING}::test_both_ways_at_once_are_one_way_after_the_other",
    ),
    Fault(
        "benchmark routing measures the predictors with the routed task's queries",
        "routers/benchmark_routing.py",
        "without_task(near, task_of, task) for task in [*range(count), -1]]",
        "without_task(near, task_of, -1) for task in [*range(count), -1]]",
        f"{BENCHMARK_ROUTING}::test_what_is_predicted_for_a_task_uses_neither_it_nor_the_routed_one",
    ),
    Fault(
        "benchmark routing knows the routed task's own labels",
        "routers/benchmark_routing.py",
        "trained = np.flatnonzero(own[part] >= 0)",
        "trained = np.flatnonzero(own[part] >= len(own))",
        f"{BENCHMARK_ROUTING}::test_a_task_is_routed_without_its_own_labels",
    ),
    Fault(
        "benchmark routing tests the predictors on labelled queries",
        "routers/benchmark_routing.py",
        "predictor_accuracies(of_predictor, self.task_of_, ~self.labelled_,",
        "predictor_accuracies(of_predictor, self.task_of_, self.labelled_ >= 0,",
        f"{BENCHMARK_ROUTING}::test_benchmark_routing_is_its_slow_twin",
    ),
    Fault(
        "S3 gives nothing for a predictor that is wrong",
        "routers/benchmark_routing.py",
        "return share * accuracy + (1.0 - share) * (1.0 - accuracy)",
        "return share * accuracy",
        f"{BENCHMARK_ROUTING}::test_benchmark_routing_is_its_slow_twin",
    ),
    Fault(
        "half of the neighbours are enough for S2",
        "routers/benchmark_routing.py",
        "return (g > THRESHOLD).mean(axis=0)",
        "return (g >= THRESHOLD).mean(axis=0)",
        "tests/unit/routers/test_benchmark_routing.py::test_scores_by_hand",
    ),
    Fault(
        "the bandwidth is chosen with each task among its own predictors",
        "routers/benchmark_routing.py",
        "np.fill_diagonal(exponents, -np.inf)",
        "np.fill_diagonal(exponents, 0.0)",
        f"{BENCHMARK_ROUTING}::test_the_report_is_its_slow_twin",
    ),
    Fault(
        "the best model on average is the best on most queries",
        "routers/benchmark_routing.py",
        "return group_means(correct, task_of, int(task_of.max()) + 1)[others].mean(axis=0)",
        "return correct[np.isin(task_of, others)].mean(axis=0)",
        "tests/unit/routers/test_benchmark_routing.py::test_the_average_is_over_tasks_whatever_their_size",
    ),
    Fault(
        "a larger share is another draw",
        "routers/benchmark_routing.py",
        'generator(seed, "benchmark_routing", task)',
        'generator(seed, "benchmark_routing", task, str(alpha))',
        f"{BENCHMARK_ROUTING}::test_the_labelled_share_is_of_training_queries_task_by_task",
    ),
    Fault(
        "a random vote's tie counts as won",
        "scoring/references.py",
        "total += right / np.maximum(winners.sum(axis=1), 1)",
        "total += right > 0",
        f"{CONSENSUS}::test_references_are_those_of_the_slow_twin",
    ),
    Fault(
        "the bootstrap forgets the strata",
        "scoring/statistics.py",
        "sums = bootstrap_sums(values, strata, seed, draws)",
        "sums = bootstrap_sums(values, np.zeros(len(values)), seed, draws)",
        "tests/unit/scoring/test_statistics.py::test_strata_take_out_what_lies_between_them",
    ),
    Fault(
        "a one-sided test",
        "scoring/statistics.py",
        "np.minimum(1.0, 2.0 * t.sf(size, self.degrees))",
        "t.sf(size, self.degrees)",
        f"{PAIRED}::test_the_p_value_is_the_smallest_alpha_whose_interval_leaves_out_zero",
    ),
    Fault(
        "every row of every split is an observation of its own",
        "scoring/statistics.py",
        "_, place, question = np.unique(questions, return_index=True, return_inverse=True)",
        "_, place, question = np.unique(np.arange(len(questions)), return_index=True, return_inverse=True)",
        f"{PAIRED}::test_planted_differences_are_covered_and_no_more_are_found_than_promised",
    ),
    Fault(
        "few questions have no correction",
        "scoring/statistics.py",
        "leverage = 1.0 / np.maximum(1.0 - share / within[stratum], 1e-9)",
        "leverage = np.ones(len(share))",
        f"{PAIRED}::test_the_procedure_is_its_slow_twin_in_any_order",
    ),
    Fault(
        "a pair in two scenarios is two hypotheses",
        "analysis/comparisons.py",
        "return blake2b(about + bytes([same]) + content.tobytes(), digest_size=16).hexdigest()",
        "return str(id(difference))",
        "tests/unit/analysis/test_comparisons.py::test_what_is_one_hypothesis_is_adjusted_for_once",
    ),
    Fault(
        "intervals forget the adjustment",
        "analysis/comparisons.py",
        "ends = [group.differences.ends(alpha) for group in compared]",
        "ends = [group.differences.ends(rate) for group in compared]",
        "tests/unit/analysis/test_comparisons.py::test_verdicts_intervals_and_adjusted_p_values_agree",
    ),
    Fault(
        "adjusted p-values that do not rise",
        "scoring/statistics.py",
        "np.minimum.accumulate(scaled[::-1])[::-1]",
        "scaled",
        f"{STATISTICS}::test_benjamini_hochberg_is_its_definition",
    ),
)


def run_with(package_root: Path, *tests: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(package_root), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def copied(folder: Path) -> Path:
    shutil.copytree(PACKAGE, folder / "rgd", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.slow
def test_the_package_without_faults_passes(tmp_path):
    done = run_with(copied(tmp_path), *sorted({fault.test for fault in FAULTS}))
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_caught(fault, tmp_path):
    root = copied(tmp_path)
    path = root / "rgd" / fault.file
    source = path.read_text()
    assert source.count(fault.old) == 1, "the fault no longer fits the code: write it anew"
    path.write_text(source.replace(fault.old, fault.new))
    done = run_with(root, fault.test)
    # 1 is "tests failed"; an import error or a test that is not there ends otherwise.
    assert done.returncode == 1, done.stdout
    assert "SyntaxError" not in done.stdout
    assert "NameError" not in done.stdout
