"""What is true, and who knows it, from the answers alone: a latent-truth model of a pool whose errors are correlated.

Each query has a latent true answer, uniform over its possible answers, and a latent easiness x ~ N(0, 1). Member j, where
it answers, is right with probability floor + (1 - floor) logistic(ability_j + spread x): one coin per member (Dawid and Skene
1979), on one scale with the query's easiness (Rasch 1960; Whitehill et al. 2009), so that members fail together on hard
queries, and a floor for guessing (the three-parameter model of Birnbaum 1968). Wrong answers are drawn from shares of the
wrong options that are the query's own, Dirichlet with total concentration kappa, so that members fail alike: two wrong answers
agree with probability (1 + kappa / (K - 1)) / (1 + kappa) among K possible answers, 1 / (K - 1) as kappa grows. Integrated
out, this is a Polya urn: a wrong answer joins those before it with probability proportional to kappa / (K - 1) + their
number. A member may beside that copy another member (its sibling) with some probability, which discounts what the two say
alike (Dong, Berti-Equille and Srivastava 2009); what is copied is as if it were not said.

The truth may be an answer that nobody gave. A missing answer says nothing. docs/latent_truth.md has the derivation.
"""

import functools
from dataclasses import dataclass

import numpy as np

# Nodes of easiness, and the last one. Half a deviation apart they integrate as exactly as 31 Gauss-Hermite nodes, which lie
# farther apart in the middle (Trefethen and Weideman 2014). Where nodes are few for the spread, they act as classes of queries,
# and the likelihood has maxima that the model has not.
NODES, LAST_NODE = 15, 3.5
# How many answers are possible where a query has no options.
OPEN = 1000
# Prior mean and deviation of the pool's mean ability.
MEAN_ABILITY = (0.5, 1.0)
# The largest log-odds, and the least logarithm of a probability: less is as good as nothing, and no product underflows.
STEEPEST, LEAST_LOG = 15.0, -600.0
# So many copies are told from members that answer for themselves; of more, the rest are what they are most of the time.
MOST_COPIES = 3


@dataclass(frozen=True)
class Pool:
    """What the model says of M members.

    Attributes:
        ability: (M,) log-odds of knowing the answer to a query of middle easiness.
        spread: how much the log-odds move with a standard deviation of easiness.
        kappa: concentration of wrong answers.
        parent: (M,) int, the member that each copies, -1 for none; no member is its own ancestor.
        copying: (M,) probability of copying it. At 1 a member is its source's near-duplicate, which counts only where the
            source gives no answer, also where the two differ.
        expected: prior mean of the abilities, (M,) or one for all.
        floor: probability of being right without knowing.
    """

    ability: np.ndarray
    spread: float
    kappa: float
    parent: np.ndarray
    copying: np.ndarray
    expected: np.ndarray | float = MEAN_ABILITY[0]
    floor: float = 0.0


@dataclass(frozen=True)
class Cases:
    """What may be true of n queries: which answer is right, and which members copied.

    A scene is a query and who copied in it; a case is a scene and its true answer. Cases are sorted by query.

    Attributes:
        givers: (n, M) from :func:`first_givers`.
        scene_query: (e,) the query of each scene.
        heard: (e, M) bool, who answers for itself.
        copied: (e, M) bool, who copied.
        both: (n, M) bool, where a copy and its source are both heard.
        case_query, case_scene, who: (r,) query, scene and true answer (its first giver, M for one that nobody gave).
        place: (e, M + 1) the case of each true answer in each scene, -1 where it is impossible.
        starts: (n,) the first case of each query.
        constant: (r,) logarithm of the prior probability of the true answer.
        kinds, kind: the distinct numbers of possible answers, and each query's.
        votes: (e, M) how many heard members give each answer.
        right_votes: (r,) how many give the true one.
    """

    givers: np.ndarray
    scene_query: np.ndarray
    heard: np.ndarray
    copied: np.ndarray
    both: np.ndarray
    case_query: np.ndarray
    case_scene: np.ndarray
    who: np.ndarray
    place: np.ndarray
    starts: np.ndarray
    constant: np.ndarray
    kinds: np.ndarray
    kind: np.ndarray
    votes: np.ndarray
    right_votes: np.ndarray

    def supports(self) -> np.ndarray:
        """(r, M) float: 1 where a heard member gives the case's true answer."""
        given = self.givers[self.case_query] == self.who[:, None]
        return (given & self.heard[self.case_scene]).astype(np.float64)

    def of_member(self, member: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The scenes in which a member is heard, their queries, and the cases in which its answer is true."""
        scene = np.flatnonzero(self.heard[:, member])
        query = self.scene_query[scene]
        return scene, query, self.place[scene, self.givers[query, member]]

    def by_query(self, query: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The sums (n, ...) of ``values`` over the scenes of each of the sorted ``query``."""
        found = np.zeros((len(self.givers), *values.shape[1:]))
        starts = np.flatnonzero(np.diff(query, prepend=-1))
        if len(starts):
            found[query[starts]] = values if len(starts) == len(query) else np.add.reduceat(values, starts, axis=0)
        return found

    def total(self, values: np.ndarray) -> np.ndarray:
        """The sums (n, ...) of the cases' values (r, ...) in each query."""
        return np.add.reduceat(values, self.starts, axis=0)


@dataclass(frozen=True)
class Belief:
    """The posterior of n queries, given some members' answers.

    Attributes:
        cases: what may be true.
        joint: (r, Q) probability of each case with the easiness at each node.
        evidence: (n,) log-likelihood of the answers.
    """

    cases: Cases
    joint: np.ndarray
    evidence: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """(n, M + 1): the probability of each given answer (at its first giver), and that no given answer is right."""
        n, members = self.cases.givers.shape
        found = np.bincount(
            self.cases.case_query * (members + 1) + self.cases.who, self.joint.sum(axis=1), n * (members + 1)
        )
        return found.reshape(n, members + 1)

    @property
    def credences(self) -> np.ndarray:
        """(n, M): the probability that each answer is right, 0 for a missing one."""
        return credences(self.cases.givers, self.truth)


def first_givers(answers: np.ndarray) -> np.ndarray:
    """For each answer (n, M) the first member that gave the same one, -1 where it is missing, int64 (n, M)."""
    found = np.full(answers.shape, -1, dtype=np.int64)
    for member in range(answers.shape[1] - 1, -1, -1):
        column = answers[:, member : member + 1]
        found[(answers == column) & (column >= 0)] = member
    return found


def possible_answers(options: np.ndarray | None, n: int) -> np.ndarray:
    """K of each of n queries, int64 (n,), from the number of their options; one option or none tells nobody apart."""
    if options is None:
        return np.full(n, OPEN, dtype=np.int64)
    options = np.asarray(options, dtype=np.int64)
    return np.where(options <= 0, OPEN, np.maximum(options, 2))


@functools.cache
def nodes() -> tuple[np.ndarray, np.ndarray]:
    """Easiness x and probability of each node, (Q,) and (Q,): the trapezoidal rule for a standard normal distribution."""
    points = np.linspace(-LAST_NODE, LAST_NODE, NODES)
    weights = np.exp(-0.5 * points**2)
    weights /= weights.sum()
    # Every caller gets the same two arrays.
    points.flags.writeable = weights.flags.writeable = False
    return points, weights


def infer(
    givers: np.ndarray, choices: np.ndarray, logits: np.ndarray, pool: Pool, silent: np.ndarray | None = None
) -> Belief:
    """The posterior of the truth and the easiness of n queries.

    Args:
        givers: (n, M) from :func:`first_givers`.
        choices: (n,) number K of possible answers.
        logits: (n, M) or (M,) each member's log-odds of knowing the answer at middle easiness.
        pool: the rest of the model.
        silent: (M,) bool, members whose answers may be true but are no evidence.
    """
    cases = cases_of(givers, choices, pool, silent)
    x, weights = nodes()
    if np.ndim(logits) == 2:
        return believe(cases, *probabilities(np.asarray(logits).T[:, :, None] + pool.spread * x, pool.floor), pool)
    log_right, log_wrong = log_chances(np.asarray(logits)[:, None] + pool.spread * x, pool.floor)
    joint = (cases.heard @ log_wrong)[cases.case_scene] + cases.supports() @ (log_right - log_wrong)
    return Belief(cases, *normalized(joint + fixed(cases, pool)[:, None] + np.log(weights), cases))


def believe(cases: Cases, right: np.ndarray, wrong: np.ndarray, pool: Pool) -> Belief:
    """The posterior, from the probabilities (M, n, Q) that each member's answer is right or wrong at each node."""
    _, weights = nodes()
    base = np.tile(weights, (len(cases.heard), 1))
    joint = np.ones((len(cases.who), len(weights)))
    for member in range(len(right)):
        scene, query, case = cases.of_member(member)
        base[scene] *= wrong[member][query]
        joint[case] *= (right[member] / wrong[member])[query]
    constant = fixed(cases, pool)
    highest = np.maximum.reduceat(constant, cases.starts)
    joint *= base[cases.case_scene] * np.exp(np.maximum(constant - highest[cases.case_query], LEAST_LOG))[:, None]
    sums = cases.total(joint @ np.ones(len(weights)))
    joint /= sums[cases.case_query, None]
    return Belief(cases, joint, np.log(sums) + highest)


def fixed(cases: Cases, pool: Pool) -> np.ndarray:
    """Logarithm of the part (r,) of each case's probability that easiness and abilities do not change."""
    return cases.constant + urns(cases, pool.kappa) + copies(cases, pool)[cases.case_scene]


def normalized(joint: np.ndarray, cases: Cases) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (r, Q) from their logarithms, up to a factor for each query, and the logarithm (n,) of that factor."""
    highest = np.zeros(len(cases.starts))
    found = np.exp(np.maximum(joint, LEAST_LOG))
    sums = cases.total(found @ np.ones(found.shape[1]))
    if sums.min() < np.exp(LEAST_LOG / 2.0):
        highest = np.maximum.reduceat(joint.max(axis=1), cases.starts)
        found = np.exp(np.maximum(joint - highest[cases.case_query, None], LEAST_LOG))
        sums = cases.total(found @ np.ones(found.shape[1]))
    found /= sums[cases.case_query, None]
    return found, np.log(sums) + highest


def cases_of(givers: np.ndarray, choices: np.ndarray, pool: Pool, silent: np.ndarray | None = None) -> Cases:
    """What may be true of n queries (see :class:`Cases`); ``pool`` says who may copy whom."""
    n, members = givers.shape
    given = givers >= 0
    heard = given if silent is None else given & ~silent
    source = np.maximum(pool.parent, 0)
    both = heard & heard[:, source] & (pool.parent >= 0)
    partial, double = kinds_of_copies(pool)
    heard = heard & ~(both & double)
    alike = both & (givers == givers[:, source])
    scenes = [(np.arange(n), np.zeros(members, dtype=bool))]
    for member in partial:
        scenes += [(query[alike[query, member]], who | (np.arange(members) == member)) for query, who in scenes]
    scene_query = np.concatenate([query for query, _ in scenes])
    copied = np.repeat([who for _, who in scenes], [len(query) for query, _ in scenes], axis=0)
    order = np.argsort(scene_query, kind="stable")
    scene_query, copied = scene_query[order], copied[order]
    heard = heard[scene_query] & ~copied
    possible = np.zeros((n, members + 1), dtype=bool)
    row, member = np.nonzero(given)
    possible[row, givers[row, member]] = True
    unseen = np.asarray(choices, dtype=np.int64) - possible.sum(axis=1)
    # Of a query with an answer outside its options no other answer is possible.
    possible[:, members] = unseen > 0
    case_scene, who = np.nonzero(possible[scene_query])
    place = np.full((len(scene_query), members + 1), -1)
    place[case_scene, who] = np.arange(len(who))
    case_query = scene_query[case_scene]
    votes = np.zeros((len(scene_query), members), dtype=np.int64)
    scene, member = np.nonzero(heard)
    np.add.at(votes, (scene, givers[scene_query[scene], member]), 1)
    kinds, kind = np.unique(choices, return_inverse=True)
    nobody = who == members
    return Cases(
        givers=givers,
        scene_query=scene_query,
        heard=heard,
        copied=copied,
        both=both,
        case_query=case_query,
        case_scene=case_scene,
        who=who,
        place=place,
        starts=np.flatnonzero(np.diff(case_query, prepend=-1)),
        constant=np.where(nobody, np.log(np.maximum(unseen, 1))[case_query], 0.0) - np.log(choices)[case_query],
        kinds=kinds,
        kind=kind.reshape(-1),
        votes=votes,
        right_votes=np.where(nobody, 0, votes[case_scene, np.minimum(who, members - 1)]),
    )


def kinds_of_copies(pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """The members (c,) that may or may not copy in a query, at most MOST_COPIES, and (M,) which are near-duplicates."""
    partial = np.flatnonzero((pool.parent >= 0) & (pool.copying < 1.0))
    double = (pool.parent >= 0) & (pool.copying >= 1.0)
    if len(partial) > MOST_COPIES:
        order = partial[np.argsort(-pool.copying[partial], kind="stable")]
        rest = order[MOST_COPIES:]
        double[rest[pool.copying[rest] >= 0.5]] = True
        partial = np.sort(order[:MOST_COPIES])
    return partial, double


def copies(cases: Cases, pool: Pool) -> np.ndarray:
    """Logarithm of the probability (e,) of who copied in each scene."""
    found = np.zeros(len(cases.scene_query))
    for member in kinds_of_copies(pool)[0]:
        chance = pool.copying[member]
        chosen = np.where(cases.copied[:, member], np.log(chance), np.log1p(-chance))
        found += np.where(cases.both[cases.scene_query, member], chosen, 0.0)
    return found


def urns(cases: Cases, kappa: float) -> np.ndarray:
    """Logarithm of the probability (r,) of which wrong answers agree, by the urn."""
    return gathered(cases, *urn_factors(kappa, cases.kinds, cases.givers.shape[1]))


def gathered(cases: Cases, alike: np.ndarray, total: np.ndarray) -> np.ndarray:
    """What the wrong answers of each case (r,) add up to, by tables as of :func:`urn_factors`."""
    kind = cases.kind[cases.scene_query]
    each = alike[kind[:, None], cases.votes].sum(axis=1)
    wrong = cases.votes.sum(axis=1)[cases.case_scene] - cases.right_votes
    # If an answer is true, its votes leave the urn.
    return each[cases.case_scene] - alike[kind[cases.case_scene], cases.right_votes] - total[wrong]


def urn_factors(kappa: float, kinds: np.ndarray, members: int) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the urn's rising factorials.

    Returns:
        (kinds, M + 1): of kappa / (K - 1), c factors, for c equal wrong answers; (M + 1,): of kappa, for c in all.
    """
    steps = np.arange(members)
    share = kappa / (kinds - 1.0)
    alike = np.concatenate([np.zeros((len(kinds), 1)), np.cumsum(np.log(share[:, None] + steps), axis=1)], axis=1)
    return alike, np.concatenate([[0.0], np.cumsum(np.log(kappa + steps))])


def log_chances(log_odds: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the probabilities of a right and of a wrong answer, by the log-odds of knowing it."""
    right, wrong = probabilities(log_odds, floor)
    return np.log(right), np.log(wrong)


def probabilities(log_odds: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities of a right and of a wrong answer, by the log-odds of knowing it."""
    against = np.exp(-np.clip(log_odds, -STEEPEST, STEEPEST))
    known = 1.0 / (1.0 + against)
    return floor + (1.0 - floor) * known, (1.0 - floor) * against * known


def logistic(values: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-values))."""
    return 1.0 / (1.0 + np.exp(-np.clip(values, -STEEPEST, STEEPEST)))


def credences(givers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n, M): the probability that each answer is right, 0 for a missing one; ``truth`` (n, M + 1) is that of each giver's."""
    return np.where(givers >= 0, np.take_along_axis(truth, np.maximum(givers, 0), axis=1), 0.0)
