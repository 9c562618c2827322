"""LLMRANK: a small neural network predicts every member's utility for a query (arXiv 2510.01234).

What an LLM writes about the query is part of the input, as in arXiv 2601.09692, appendix C.2.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from annotated_types import Ge, Lt

from rgd.errors import UserError
from rgd.routers.base import Count, NotNegative, Positive, Router, TestQueries, TrainingSet, rank_members
from rgd.seeds import generator

LIBRARIES = ("torch",)

# Two sums of the same numbers in another order differ by less; members closer than this are equal.
UTILITY_DECIMALS = 5
# Inputs that vary less than this are the same query over and over: the variation is rounding.
SMALLEST_SPREAD = 1e-6


class Network(NamedTuple):
    """A perceptron with one hidden layer of H rectified units, from D inputs to M logits.

    ``hidden_weights`` (D, H), ``hidden_bias`` (H,), ``output_weights`` (H, M), ``output_bias`` (M,).
    """

    hidden_weights: np.ndarray
    hidden_bias: np.ndarray
    output_weights: np.ndarray
    output_bias: np.ndarray


@dataclass(kw_only=True)
class LlmRank(Router):
    """Query-answer router: rank by the predicted probability that a member is right.

    The input is the query's embedding, followed by its features where they are used. Training minimises
    ``pointwise_weight`` times the binary cross-entropy of the predicted utilities plus ``listwise_weight`` times the
    divergence of their softmax from the true utilities' (see :func:`ranking_loss`), by Adam on mini-batches. Part of
    the training queries is held out: the weights kept are those of the epoch with the least loss on it. Training
    starts from every member's accuracy, whatever the query, so that where nothing can be learned the ranking is that.

    Equal utilities go to the member with the higher accuracy over all training queries.

    Args:
        use_features: whether the input includes an LLM's features of the query.
        hidden_units: H, the number of units in the hidden layer.
        pointwise_weight: weight of the cross-entropy.
        listwise_weight: weight of the divergence.
        temperature: temperature of the softmaxes; the lower, the more the best members count.
        learning_rate: learning rate of Adam.
        batch_size: queries per step, at most the number of training queries.
        max_epochs: maximum passes over the training queries.
        patience: training stops after this many passes without a lower loss on the held-out part.
        held_out: share of the training queries that are held out; with fewer than 1 / held_out queries, none are, and
            the loss on the training queries is used instead.

    Learned:
        hidden_weights_ (D, H), hidden_bias_ (H,), output_weights_ (H, M), output_bias_ (M,), all float32, for inputs as
        they come; epoch_, the pass whose weights were kept, 0 for none; overall_ (M,).
    """

    needs_labels = True
    family = "query-answer"
    variants = MappingProxyType({"top1": 1, "top3": 3})
    aggregate = "majority"
    score_title = "logit of the predicted utility"

    use_features: bool = True
    hidden_units: Count = 64
    pointwise_weight: NotNegative = 1.0
    listwise_weight: NotNegative = 1.0
    temperature: Positive = 1.0
    learning_rate: Positive = 0.001
    batch_size: Count = 128
    max_epochs: Count = 30
    patience: Count = 5
    held_out: Annotated[float, Ge(0), Lt(1)] = 0.2

    def __post_init__(self) -> None:
        if self.pointwise_weight == self.listwise_weight == 0:
            raise ValueError("pointwise_weight and listwise_weight are both 0: one of them must be above 0.")

    def fit(self, train: TrainingSet) -> Self:
        """Train the network on who was right; a missing answer is wrong."""
        self.remember_pool(train)
        inputs = self._inputs(train.embeddings, train.features)
        correct = train.correct()
        self.overall_ = correct.mean(axis=0)
        centre = inputs.mean(axis=0)
        inputs -= centre
        spread = float(np.linalg.norm(inputs)) / math.sqrt(inputs.size)
        scale = np.float32(1.0 / spread if spread > SMALLEST_SPREAD else 0.0)
        inputs *= scale
        order = generator(train.seed, "llmrank", "held_out").permutation(len(inputs))
        held, kept = np.split(order, [int(self.held_out * len(order))])
        start = initial_network(
            inputs.shape[1], self.hidden_units, correct[kept], generator(train.seed, "llmrank", "weights")
        )
        with one_thread():
            network, self.epoch_ = self._trained(
                start,
                (inputs, correct.astype(np.float32)),
                kept,
                held if len(held) else kept,
                generator(train.seed, "llmrank", "batches"),
            )
        # Centring and scaling become part of the first layer, so that test queries are taken as they come.
        self.hidden_weights_ = network.hidden_weights * scale
        self.hidden_bias_ = network.hidden_bias - centre @ self.hidden_weights_
        self.output_weights_, self.output_bias_ = network.output_weights, network.output_bias
        return self

    def scores(self, queries: TestQueries) -> np.ndarray:
        """The logit of every member's predicted utility for each query, (n, M) float64."""
        network = Network(self.hidden_weights_, self.hidden_bias_, self.output_weights_, self.output_bias_)
        return logits(network, self._inputs(queries.embeddings, queries.features)).astype(np.float64)

    def rank(self, queries: TestQueries) -> np.ndarray:
        """Rank by predicted utility, equal ones by the accuracy over all training queries."""
        return rank_members(self.scores(queries).round(UTILITY_DECIMALS), self.members_, tie=self.overall_)

    def _inputs(self, embeddings: np.ndarray, features: np.ndarray | None) -> np.ndarray:
        """The network's inputs (n, D) float32, in memory of their own.

        Raises:
            UserError: features are used and there are none, or the other way round.
        """
        if self.use_features != (features is not None):
            raise UserError(
                f"router llmrank: use_features is {str(self.use_features).lower()}, but it was given "
                f"{'no features' if features is None else 'features'}: in the router's file, let `features` name a file "
                "of config/featurizer and use_features be true, or `features` be null and use_features false."
            )
        blocks = [embeddings] if features is None else [embeddings, features]
        return np.concatenate(blocks, axis=1, dtype=np.float32)

    def _trained(
        self,
        start: Network,
        examples: tuple[np.ndarray, np.ndarray],
        kept: np.ndarray,
        watched: np.ndarray,
        random: np.random.Generator,
    ) -> tuple[Network, int]:
        """The weights with the least loss on the rows ``watched``, trained on the rows ``kept``, and their epoch.

        Args:
            start: the weights to begin with.
            examples: inputs (n, D) and utilities (n, M), float32.
            kept: indices of rows.
            watched: indices of rows.
            random: shuffles the mini-batches.
        """
        import torch

        inputs, utilities = (torch.from_numpy(array) for array in examples)
        parameters = [torch.from_numpy(array.copy()).requires_grad_() for array in start]
        optimiser = torch.optim.Adam(parameters, lr=self.learning_rate, fused=True)

        def loss(rows: np.ndarray) -> torch.Tensor:
            index = torch.from_numpy(rows)
            return ranking_loss(
                logits(parameters, inputs[index]),
                utilities[index],
                self.pointwise_weight,
                self.listwise_weight,
                self.temperature,
            )

        def watched_loss() -> float:
            with torch.no_grad():
                return float(loss(watched))

        best, best_loss, best_epoch = start, watched_loss(), 0
        for epoch in range(1, self.max_epochs + 1):
            order = random.permutation(kept)
            for first in range(0, len(order), self.batch_size):
                optimiser.zero_grad()
                loss(order[first : first + self.batch_size]).backward()
                optimiser.step()
            now = watched_loss()
            if now < best_loss:
                best = Network(*(parameter.detach().numpy().copy() for parameter in parameters))
                best_loss, best_epoch = now, epoch
            elif epoch - best_epoch >= self.patience:
                break
        return best, best_epoch


def logits(network: Sequence[Any], inputs: Any) -> Any:
    """What the network says to each input: (n, M) logits for (n, D) inputs; of numpy arrays or of tensors."""
    hidden_weights, hidden_bias, output_weights, output_bias = network
    hidden = (inputs @ hidden_weights + hidden_bias).clip(min=0)
    return hidden @ output_weights + output_bias


def ranking_loss(
    predicted: Any, utilities: Any, pointwise_weight: float, listwise_weight: float, temperature: float
) -> Any:
    """The loss of predictions, a scalar tensor.

    The predicted utility is the logistic of a logit, so that both terms are least where it is the true one.

    Args:
        predicted: (n, M) tensor of logits.
        utilities: (n, M) tensor of true utilities, from 0 to 1.
        pointwise_weight: of the mean binary cross-entropy over queries and members.
        listwise_weight: of the mean over queries of the Kullback-Leibler divergence
            KL(softmax(true / temperature) || softmax(predicted / temperature)) over the pool.
        temperature: see there.
    """
    from torch.nn import functional

    pointwise = functional.binary_cross_entropy_with_logits(predicted, utilities)
    guessed = functional.log_softmax(predicted.sigmoid() / temperature, dim=1)
    true = functional.log_softmax(utilities / temperature, dim=1)
    listwise = functional.kl_div(guessed, true, reduction="batchmean", log_target=True)
    return pointwise_weight * pointwise + listwise_weight * listwise


def initial_network(inputs: int, hidden: int, correct: np.ndarray, random: np.random.Generator) -> Network:
    """Weights to start from: random ones in front of the rectifier (He et al., arXiv 1502.01852), none behind it.

    The output bias is the log-odds of each member's accuracy, with one right and one wrong answer added.

    Args:
        inputs: D.
        hidden: H.
        correct: (n, M) bool.
        random: draws the weights.
    """
    bound = math.sqrt(6.0 / inputs)
    right = correct.sum(axis=0) + 1.0
    wrong = len(correct) + 2.0 - right
    return Network(
        random.uniform(-bound, bound, (inputs, hidden)).astype(np.float32),
        np.zeros(hidden, dtype=np.float32),
        np.zeros((hidden, correct.shape[1]), dtype=np.float32),
        np.log(right / wrong).astype(np.float32),
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes with one thread within: sums are then taken in one order, and no other job's core is used."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


ROUTER = LlmRank
