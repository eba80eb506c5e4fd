"""Explanations against Captum's (Kokhlikyan et al. 2020), on a small network in PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: make frameworks")
attr = pytest.importorskip("captum.attr", reason="needs Captum: make frameworks")

from course_lib import interpretability  # noqa: E402

PLAYERS = 6


@pytest.fixture(scope="module")
def network():
    """A network of six numbers, a text of six words as it were, in float64."""
    torch.manual_seed(0)
    layers = torch.nn.Linear(PLAYERS, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)
    return torch.nn.Sequential(*layers).double()


@pytest.fixture(scope="module")
def ends():
    """What is explained, and what stands for nothing."""
    rng = np.random.default_rng(0)
    return rng.normal(size=PLAYERS), rng.normal(size=PLAYERS)


def tensor(x):
    """A batch of one, for Captum."""
    return torch.tensor(x[None], requires_grad=True)


def score(network):
    """What Captum takes: a function of a batch that returns a number for each row."""
    return lambda x: network(x)[:, 0]


def game(network, x, baseline):
    """What the course takes: the network's value where only some players are shown."""

    def value(shown):
        rows = np.where(np.asarray(shown, bool), x, baseline)
        return network(torch.tensor(rows)).detach().numpy()[:, 0]

    return value


def test_integrated_gradients(network, ends):
    x, baseline = ends

    def gradients(points):
        points = torch.tensor(points, requires_grad=True)
        return torch.autograd.grad(network(points).sum(), points)[0].numpy()

    found = interpretability.path_integral(gradients, baseline, x, steps=50, batch_size=7)
    theirs = attr.IntegratedGradients(score(network)).attribute(
        tensor(x), tensor(baseline), n_steps=50, method="riemann_middle"
    )
    np.testing.assert_allclose(found, theirs[0].detach().numpy(), atol=1e-12)


def test_occlusion(network, ends):
    found = interpretability.occlusion(game(network, *ends), PLAYERS)
    theirs = attr.FeatureAblation(score(network)).attribute(tensor(ends[0]), tensor(ends[1]))
    np.testing.assert_allclose(found, theirs[0].detach().numpy(), atol=1e-12)


def test_shapley_values(network, ends):
    value = game(network, *ends)
    theirs = (
        attr.ShapleyValues(score(network)).attribute(tensor(ends[0]), tensor(ends[1]))[0].detach().numpy()
    )
    # Captum adds up in float32.
    np.testing.assert_allclose(interpretability.shapley_exact(value, PLAYERS), theirs, atol=1e-5)
    means, errors = interpretability.shapley_sampled(value, PLAYERS, orders=400)
    assert (np.abs(means - theirs) < 4 * errors + 1e-5).all()
