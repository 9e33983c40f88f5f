"""The network learns which features tell own texts from wrong ones, the same from the same pairs."""

import numpy as np

from jobs.match import network


def pairs(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features of which the first two tell the classes apart together only, and a third that never varies."""
    values = np.random.default_rng(seed).normal(size=(rows, 3)) * [1, 100, 0] + [0, 0, 7]
    return values, (values[:, 0] * values[:, 1] > 0).astype(np.float64)


def test_it_learns_what_two_features_tell_together() -> None:
    values, is_own = pairs(600, seed=1)
    trained = network.train(values, is_own, np.ones(600), seed=13)
    unseen, expected = pairs(300, seed=2)
    assert ((trained.logits(unseen) > 0) == expected).mean() > 0.9
    assert np.isfinite(trained.logits(unseen)).all()


def test_the_same_pairs_and_seed_give_the_same_weights_and_another_seed_others() -> None:
    values, is_own = pairs(80, seed=1)
    first, again, other = (network.train(values, is_own, np.ones(80), seed) for seed in (13, 13, 14))
    assert all(np.array_equal(array, getattr(again, name)) for name, array in vars(first).items())
    assert not np.array_equal(first.hidden_weight, other.hidden_weight)


def test_pairs_of_a_higher_weight_count_more() -> None:
    values, is_own = np.zeros((200, 1)), np.arange(200) % 2 == 0
    for weight in (0.25, 4.0):
        trained = network.train(values, is_own.astype(float), np.where(is_own, weight, 1.0), seed=13)
        assert (trained.logits(values[:1])[0] > 0) == (weight > 1)


def test_an_empty_network_gives_every_pair_the_same_logit() -> None:
    assert network.empty(3).logits(pairs(5, seed=1)[0]).tolist() == [0.0] * 5
