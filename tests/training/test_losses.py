"""The losses of a tagger against sums that are written out word by word, and their gradients against derivatives."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from xproj.core.teachers import ALONE, NO_LABEL  # noqa: E402
from xproj.training import losses  # noqa: E402
from xproj.training.losses import Loss  # noqa: E402

WORDS, LABELS, DIM = 9, 5, 6


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(WORDS, LABELS)) * 2
    soft = rng.dirichlet(np.ones(LABELS) * 0.4, size=WORDS)
    weights = rng.random(WORDS) * 2
    weights[3] = 0.0
    return logits, soft, weights


def leaf(array):
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def softmax(row):
    powers = np.exp(row - row.max())
    return powers / powers.sum()


def derivative(of, at, step=1e-6):
    """The central differences of a function of one array."""
    result = np.zeros_like(at)
    for place in np.ndindex(*at.shape):
        high, low = at.copy(), at.copy()
        high[place] += step
        low[place] -= step
        result[place] = (of(high) - of(low)) / (2 * step)
    return result


def check(loss: Loss, plain, *leaves):
    """Value, sum of weights and gradients of a loss against `plain(*arrays)`, which is differentiated numerically."""
    arrays = [x.detach().numpy().copy() for x in leaves]
    assert loss.total.item() == pytest.approx(plain(*arrays), rel=1e-9)
    loss.total.backward()
    for k, x in enumerate(leaves):

        def of(array, k=k):
            return plain(*arrays[:k], array, *arrays[k + 1 :])

        assert x.grad.numpy() == pytest.approx(derivative(of, arrays[k]), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_cross_entropy(seed):
    logits, soft, weights = drawn(seed)
    targets = soft.argmax(axis=1)
    targets[5] = NO_LABEL

    def plain(z):
        return sum(-weights[i] * np.log(softmax(z[i])[targets[i]]) for i in range(WORDS) if targets[i] != NO_LABEL)

    z = leaf(logits)
    loss = losses.cross_entropy(z, torch.tensor(targets), torch.tensor(weights))
    assert loss.weight.item() == pytest.approx(weights.sum() - weights[5])
    assert loss.mean.item() == pytest.approx(plain(logits) / (weights.sum() - weights[5]))
    check(loss, plain, z)


def test_cross_entropy_of_soft_labels():
    logits, soft, weights = drawn()

    def plain(z):
        return sum(-weights[i] * soft[i, c] * np.log(softmax(z[i])[c]) for i in range(WORDS) for c in range(LABELS))

    z = leaf(logits)
    check(losses.cross_entropy(z, torch.tensor(soft), torch.tensor(weights)), plain, z)
    hard = torch.tensor(soft.argmax(axis=1))
    one_hot = torch.eye(LABELS, dtype=torch.float64)[hard]
    both = [losses.cross_entropy(z, t, torch.tensor(weights), focal=0.5).total.item() for t in (hard, one_hot)]
    assert both[0] == pytest.approx(both[1])


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_focal_weight_is_detached(gamma):
    logits, soft, weights = drawn()
    targets = soft.argmax(axis=1)
    z = leaf(logits)
    loss = losses.cross_entropy(z, torch.tensor(targets), torch.tensor(weights), focal=gamma)
    p = np.array([softmax(row) for row in logits])
    given = p[np.arange(WORDS), targets]
    assert loss.total.item() == pytest.approx((weights * given**gamma * -np.log(given)).sum())
    loss.total.backward()
    # the derivative of -ln p_y is p - y; the weight is a constant
    expected = (weights * given**gamma)[:, None] * (p - np.eye(LABELS)[targets])
    assert z.grad.numpy() == pytest.approx(expected)
    # so every label is pulled up, however improbable; undetached, those below e^(-1/γ) would be pushed down
    below = (given < np.exp(-1 / gamma)) & (weights > 0)
    assert below.any() and (z.grad.numpy()[np.arange(WORDS), targets][weights > 0] < 0).all()


def test_the_undetached_focal_loss_peaks_inside():
    """Why it is detached: the values of the peak of −p^γ·ln p."""
    p = np.linspace(1e-4, 1, 200_001)
    for gamma, peak in ((0.5, 0.135), (1.0, 0.368), (2.0, 0.607)):
        assert p[np.argmax(-(p**gamma) * np.log(p))] == pytest.approx(peak, abs=1e-3)


def test_mean_squared_error():
    logits, soft, weights = drawn()

    def plain(z):
        return sum(weights[i] * ((softmax(z[i]) - soft[i]) ** 2).sum() for i in range(WORDS))

    z = leaf(logits)
    loss = losses.soft_labels(z, torch.tensor(soft), torch.tensor(weights))
    assert loss.weight.item() == pytest.approx(weights.sum())
    check(loss, plain, z)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_divergence_with_temperature(temperature):
    logits, _, weights = drawn()
    teacher = np.random.default_rng(1).normal(size=(WORDS, LABELS)) * 3

    def plain(z):
        total = 0.0
        for i in range(WORDS):
            q, p = softmax(teacher[i] / temperature), softmax(z[i] / temperature)
            total += weights[i] * temperature**2 * (q * (np.log(q) - np.log(p))).sum()
        return total

    z = leaf(logits)
    probabilities = torch.tensor(np.array([softmax(row) for row in teacher]))
    loss = losses.soft_labels(z, probabilities, torch.tensor(weights), loss="kl", temperature=temperature)
    check(loss, plain, z)


def test_a_word_without_teacher_has_no_gradient():
    logits, soft, weights = drawn()
    soft[3] = 0.0
    z = leaf(logits)
    given = torch.tensor(soft), torch.tensor(weights)
    losses.soft_labels(z, *given, loss="kl", temperature=2.0).total.backward()
    assert torch.isfinite(z.grad).all() and torch.all(z.grad[3] == 0) and torch.all(z.grad[2] != 0)


def test_divergence_from_decisions_is_cross_entropy():
    logits, soft, weights = drawn()
    hard = torch.tensor(soft.argmax(axis=1))
    one_hot = torch.eye(LABELS, dtype=torch.float64)[hard]
    divergence = losses.soft_labels(leaf(logits), one_hot, torch.tensor(weights), loss="kl")
    entropy = losses.cross_entropy(leaf(logits), hard, torch.tensor(weights))
    assert divergence.total.item() == pytest.approx(entropy.total.item())


@pytest.mark.parametrize("loss", ["mse", "kl"])
def test_hard_labels_where_teachers_agree(loss):
    logits, soft, weights = drawn()
    agreed = soft.argmax(axis=1)
    agreed[::2] = NO_LABEL
    z = leaf(logits)
    both = losses.distillation(
        z, torch.tensor(soft), torch.tensor(agreed), torch.tensor(weights), loss=loss, temperature=2.0, hard=0.7
    )
    assert both.weight.item() == pytest.approx(weights.sum())

    def plain(z):
        total = 0.0
        for i in range(WORDS):
            p = softmax(z[i])
            if loss == "mse":
                total += weights[i] * ((p - soft[i]) ** 2).sum()
            else:
                q = np.sqrt(soft[i]) / np.sqrt(soft[i]).sum()
                total += weights[i] * 4 * (q * np.log(q / softmax(z[i] / 2))).sum()
            if agreed[i] != NO_LABEL:
                total += 0.7 * weights[i] * -np.log(p[agreed[i]])
        return total

    check(both, plain, z)


def cosine(a, b):
    return a @ b / np.sqrt((a @ a) * (b @ b))


def sigma(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_two_tasks(share):
    logits, soft, weights = drawn()
    rng = np.random.default_rng(2)
    hidden, similarity = rng.normal(size=(WORDS, DIM)), rng.random(WORDS)
    partner = np.array([1, 0, 4, 5, 3, ALONE, 7, 8, 6])  # 4's partner has weight 0, 5 is alone

    def plain(z, h):
        total = 0.0
        for i in range(WORDS):
            j, s = partner[i], similarity[i]
            recognised = soft[i].max() ** 2 * ((softmax(z[i]) - soft[i]) ** 2).sum()
            if j == ALONE or weights[j] == 0:
                total += weights[i] * recognised
                continue
            other = soft[j].max() ** 2 * ((softmax(z[j]) - soft[j]) ** 2).sum()
            x = sigma(cosine(h[i], h[j]))
            entropy = -s * np.log(x) - (1 - s) * np.log(1 - x)
            told = min(1, (2 * s - 1) ** 2 + 0.5)
            consistent = 1 - abs(sigma(cosine(soft[i], soft[j])) - s)
            total += weights[i] * consistent * (share * told * entropy + recognised / 2 + other / 2)
        return total

    z, h = leaf(logits), leaf(hidden)
    given = (torch.tensor(x) for x in (partner, soft, similarity, weights))
    loss = losses.two_tasks(z, h, *given, share=share)
    assert loss.weight.item() == pytest.approx(weights.sum())
    check(loss, plain, z, h)


def test_nothing_reaches_the_teachers():
    logits, soft, weights = drawn()
    student = leaf(logits), leaf(np.random.default_rng(0).normal(size=(WORDS, DIM)))
    p, s = leaf(soft), leaf(np.full(WORDS, 0.6))
    partner = torch.arange(WORDS).roll(1)
    losses.two_tasks(*student, partner, p, s, torch.tensor(weights)).total.backward()
    assert all(x.grad is not None and x.grad.abs().sum() > 0 for x in student)
    assert p.grad is None and s.grad is None


CASES = {
    "cross_entropy": lambda z, p, w, h: losses.cross_entropy(z, p.argmax(dim=1), w, focal=1.0),
    "mse": lambda z, p, w, h: losses.soft_labels(z, p, w),
    "kl": lambda z, p, w, h: losses.soft_labels(z, p, w, loss="kl", temperature=2.0),
    "unitrans": lambda z, p, w, h: losses.distillation(z, p, p.argmax(dim=1), w, hard=1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_parts_add_up_and_masked_words_are_nothing(name):
    logits, soft, weights = (torch.tensor(x) for x in drawn())
    z = logits.clone().requires_grad_()
    of = CASES[name]
    whole = of(z, soft, weights, None)
    parts = [of(z[rows], soft[rows], weights[rows], None) for rows in (slice(0, 4), slice(4, 5), slice(5, WORDS))]
    assert sum(part.total.item() for part in parts) == pytest.approx(whole.total.item())
    assert sum(part.weight.item() for part in parts) == pytest.approx(whole.weight.item())
    whole.total.backward()
    assert torch.all(z.grad[3] == 0) and torch.all(z.grad[2].abs().sum() > 0)
    broken = logits.clone()
    broken[3] = float("inf")  # a word of weight 0 may hold anything
    assert of(broken, soft, weights, None).total.item() == pytest.approx(whole.total.item())
    nothing = of(z, soft, torch.zeros(WORDS, dtype=torch.float64), None)
    assert (nothing.total.item(), nothing.mean.item()) == (0.0, 0.0)


def test_half_precision_is_summed_in_full():
    logits, soft, weights = drawn()
    half = torch.tensor(logits, dtype=torch.bfloat16)
    loss = losses.soft_labels(half, torch.tensor(soft, dtype=torch.float16), torch.tensor(weights, dtype=torch.float32))
    assert loss.total.dtype == torch.float32
    exact = losses.soft_labels(torch.tensor(logits), torch.tensor(soft), torch.tensor(weights))
    assert loss.total.item() == pytest.approx(exact.total.item(), rel=0.02)


def test_same_label():
    logits, soft, weights = drawn()
    hidden = np.random.default_rng(4).normal(size=(WORDS, DIM))
    partner = np.array([1, 2, 0, 5, 3, ALONE, 7, 8, 6])  # 4's partner has weight 0
    targets = soft.argmax(axis=1)

    def plain(h):
        total = 0.0
        for i, j in enumerate(partner):
            if j != ALONE and weights[j]:
                x = sigma(cosine(h[i], h[j]))
                total -= weights[i] * np.log(x if targets[i] == targets[j] else 1 - x)
        return total

    h = leaf(hidden)
    loss = losses.same_label(h, *(torch.tensor(x) for x in (partner, targets, weights)))
    assert loss.weight.item() == pytest.approx(weights.sum() - weights[4] - weights[5])
    assert len(set(targets)) > 1
    check(loss, plain, h)
