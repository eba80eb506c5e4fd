"""Lessons 09 to 11: right answers of other kinds pass, in either precision."""

import fractions
import itertools
import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from answering import by_question, verdict

from course_lib import questions

SEEDS = range(5)
F32 = np.float32


def roofline_by_times(m, k, n, bytes_per_value, peak, bandwidth):
    flops = 2.0 * m * k * n
    moved = sum(rows * columns for rows, columns in ((m, k), (k, n), (m, n))) * bytes_per_value
    return np.array([flops / moved, flops / max(flops / peak, moved / bandwidth)])


def roofline_in_float32(m, k, n, bytes_per_value, peak, bandwidth):
    intensity = F32(2 * m * k * n) / F32(bytes_per_value * (m * k + k * n + m * n))
    return [intensity, np.minimum(F32(peak), F32(bandwidth) * intensity)]


def accumulated_in_a_loop(gradients, sizes, clip):
    total, count = [0.0] * gradients.shape[1], 0
    for row, size in zip(gradients.tolist(), sizes.tolist(), strict=True):
        total = [a + size * b for a, b in zip(total, row, strict=True)]
        count += size
    mean = [each / count for each in total]
    norm = math.sqrt(math.fsum(each**2 for each in mean))
    return [each * clip / norm for each in mean] if norm > clip else mean


def accumulated_in_float32(gradients, sizes, clip):
    shares = (sizes / sizes.sum()).astype("float32")
    mean = np.einsum("k,kn->n", shares, gradients.astype("float32"))
    return mean / max(np.linalg.norm(mean) / F32(clip), F32(1))


def scaling_by_powers(largest, scale, growth_steps):
    """Keeps the logarithm of the scale."""
    exponent, streak = math.log2(scale), 0
    scales, skipped = np.empty(len(largest)), np.zeros(len(largest), bool)
    for i, each in enumerate(largest):
        scales[i] = 2**exponent
        product = each * scales[i]
        skipped[i] = np.isnan(product) or product > np.finfo("float16").max
        streak = 0 if skipped[i] else streak + 1
        exponent += -1 if skipped[i] else (streak == growth_steps)
        streak %= growth_steps
    return scales, skipped


def scaling_with_countdown(largest, scale, growth_steps):
    left, found = growth_steps, []
    for each in largest.tolist():
        bad = not each * scale <= 65504.0
        found.append((scale, bad))
        left = growth_steps if bad else left - 1
        scale *= 0.5 if bad else 1.0
        if left == 0:
            scale, left = 2 * scale, growth_steps
    return [scale for scale, _ in found], [bad for _, bad in found]


def ring_by_sending(values, workers, bytes_per_value):
    """Counts what worker 0 really sends."""
    padded = math.ceil(values / workers) * workers
    parts, sent = np.zeros(padded).reshape(workers, -1), 0
    for step in range(2 * (workers - 1)):
        sent += len(parts[-step % workers])
    return sent * bytes_per_value


def ring_by_fractions(values, workers, bytes_per_value):
    whole = np.ceil(np.float64(values) / workers) * workers
    return int(2 * fractions.Fraction(workers - 1, workers) * int(whole) * bytes_per_value)


def shard_by_array(shape, mesh, layout, device):
    numbers = np.arange(math.prod(mesh.values())).reshape(tuple(mesh.values()))
    place = np.argwhere(numbers == device)[0]
    names, result = list(mesh), []
    for size, name in zip(shape, layout, strict=True):
        pieces = mesh.get(name, 1)
        at = place[names.index(name)] if name else 0
        result.append([size * at // pieces, size * (at + 1) // pieces])
    return result


def shard_by_splitting(shape, mesh, layout, device):
    place = {}
    for name in reversed(mesh):
        device, place[name] = divmod(device, mesh[name])
    cut = [
        np.split(np.arange(size), mesh[name])[place[name]] if name else np.arange(size)
        for size, name in zip(shape, layout, strict=True)
    ]
    return np.array([[axis[0], axis[-1] + 1] for axis in cut])


def speedups_by_shares(serial, parallel, workers):
    share = serial / (serial + parallel)
    return [1 / (share + (1 - share) / workers), share + (1 - share) * workers]


def speedups_in_float32(serial, parallel, workers):
    serial, parallel, workers = map(F32, (serial, parallel, workers))
    one = serial + parallel
    return one / (serial + parallel / workers), 1 + (workers - 1) * parallel / one


def days_by_passes(parameters, tokens, accelerators, peak, share, recompute):
    forward, backward = 2, 4
    work = (forward * (1 + recompute) + backward) * parameters * tokens
    per_day = accelerators * peak * share * 24 * 60 * 60
    return work / per_day


def days_by_logarithms(parameters, tokens, accelerators, peak, share, recompute):
    above = [8 if recompute else 6, parameters, tokens]
    return math.exp(sum(map(math.log, above)) - sum(map(math.log, (accelerators, peak, share, 86_400))))


def rollout_by_steps(attention):
    """Sends what each input token brings through the layers."""
    n = attention.shape[-1]
    columns = []
    for token in range(n):
        held = np.eye(n)[token]
        for layer in attention:
            held = 0.5 * held + 0.5 * (layer @ held).mean(axis=0)
        columns.append(held)
    return np.stack(columns, axis=1)


def rollout_in_float32(attention):
    mixed = F32(0.5) * (attention.astype("float32").mean(1) + np.eye(attention.shape[-1], dtype="float32"))
    return np.linalg.multi_dot([*mixed[::-1]]) if len(mixed) > 1 else mixed[0]


def gradients_at_once(x, baseline, kernel, output, steps, dtype="float64"):
    x, baseline, kernel, output = (np.asarray(each, dtype) for each in (x, baseline, kernel, output))
    places = ((np.arange(steps, dtype=dtype) + 0.5) / steps)[:, None].astype(dtype)
    hidden = np.tanh((baseline + places * (x - baseline)) @ kernel)
    return ((output * (1 - hidden**2)) @ kernel.T).mean(axis=0) * (x - baseline)


def gradients_in_float32(*arguments):
    return gradients_at_once(*arguments, dtype="float32")


def gradients_by_cosh(x, baseline, kernel, output, steps):
    total = 0.0
    for step in range(steps):
        place = (2 * step + 1) / (2 * steps)
        hidden = ((1 - place) * baseline + place * x) @ kernel
        total = total + (kernel / np.cosh(hidden) ** 2) @ output / steps
    return total * (x - baseline)


def occlusion_at_once(token_ids, values, special_ids, mask_id):
    n = len(token_ids)
    texts = np.tile(token_ids, (n, 1))
    np.fill_diagonal(texts, mask_id)
    score = scipy.special.expit(np.where(texts == 0, 0.0, values[texts]).sum(axis=1))
    full = scipy.special.expit(values[token_ids] @ (token_ids != 0))
    return np.where(np.isin(token_ids, [0, *special_ids]), 0.0, full - score)


def occlusion_by_difference(token_ids, values, special_ids, mask_id):
    values = values.astype("float32")
    s = sum(values[i] for i in token_ids if i)
    found = []
    for token in token_ids:
        without = s - values[token] + values[mask_id]
        word = token != 0 and token not in special_ids
        found.append((np.tanh(s / 2) - np.tanh(without / 2)) / 2 if word else 0)
    return found


def shapley_by_orders(worth):
    n = round(math.log2(len(worth)))
    found, orders = np.zeros(n), list(itertools.permutations(range(n)))
    for order in orders:
        here = 0
        for player in order:
            found[player] += worth[here + 2**player] - worth[here]
            here += 2**player
    return found / len(orders)


def shapley_by_sizes(worth):
    worth = worth.astype("float32")
    n = len(worth).bit_length() - 1
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    found = []
    for player in range(n):
        out = np.flatnonzero(bits[:, player] == 0)
        gains, sizes = worth[out + (1 << player)] - worth[out], bits[out].sum(axis=1)
        found.append(np.mean([gains[sizes == size].mean() for size in range(n)]))
    return np.array(found)


def area_word_by_word(attributions, values, bias):
    left, area = list(range(len(values))), 0.0
    before = scipy.special.expit(bias + sum(values))
    while left:
        left.remove(max(left, key=lambda place: (attributions[place], -place)))
        after = scipy.special.expit(bias + sum(values[place] for place in left))
        area += (before + after) / 2 / len(values)
        before = after
    return area


def area_in_float32(attributions, values, bias):
    order = sorted(range(len(values)), key=lambda place: -attributions[place])
    left = np.r_[values[order][::-1].astype("float32").cumsum()[::-1], F32(0)]
    curve = 1 / (1 + np.exp(-left - F32(bias)))
    return np.trapezoid(curve, dx=1 / len(values))


def selectivity_in_a_loop(token_ids, labels, predicted, control, predicted_control):
    words = right = known = 0
    for place in np.ndindex(token_ids.shape):
        if token := token_ids[place]:
            words += 1
            right += int(predicted[place] == labels[place])
            known += int(predicted_control[place] == control[token])
    return (right - known) / words


def selectivity_by_average(token_ids, labels, predicted, control, predicted_control):
    weights = (token_ids > 0).astype("float32")
    hits = [predicted == labels, predicted_control == np.take(control, token_ids)]
    return -np.subtract.reduce([np.average(each, weights=weights) for each in hits[::-1]])


def holm_by_comparing(p_values):
    """The greatest product among all p-values that are not larger."""
    m = len(p_values)
    products = [p * sum(other >= p for other in p_values) for p in p_values]
    return [min(1.0, max(products[j] for j in range(m) if p_values[j] <= p_values[i])) for i in range(m)]


def holm_in_float32(p_values):
    ranks = np.argsort(np.argsort(p_values, kind="stable"), kind="stable")
    ordered = np.sort(p_values).astype("float32") * np.arange(len(p_values), 0, -1, dtype="float32")
    return np.clip(np.maximum.accumulate(ordered), 0, 1)[ranks]


def auc_by_ranks(members, others):
    ranks = scipy.stats.rankdata(np.concatenate([members, others]))[: len(members)]
    return (ranks.mean() - (len(members) + 1) / 2) / len(others)


def auc_in_a_loop(members, others):
    won = sum(1.0 if m > o else 0.5 if m == o else 0.0 for m in members for o in others)
    return F32(won / (len(members) * len(others)))


def found_by_thresholds(members, others, false_positives):
    best = 0.0
    for threshold in [*others.tolist(), *members.tolist(), -math.inf]:
        if sum(o > threshold for o in others) <= false_positives * len(others):
            best = max(best, sum(m > threshold for m in members) / len(members))
    return best


def found_by_counting(members, others, false_positives):
    allowed = math.floor(false_positives * len(others) + 1e-9)
    passing = (others[None] >= members[:, None]).sum(axis=1)  # Others that pass if this member does.
    return np.mean(passing <= allowed)


def words_by_sets(before, after, words, special):
    moved = {words[row] for row, _ in np.argwhere(before != after)} - set(special)
    return sorted(moved, key=words.index)


def words_by_norms(before, after, words, special):
    sizes = np.abs(after - before).max(axis=1)
    return np.array([word for word, size in zip(words, sizes, strict=True) if size and word not in special])


def private_in_a_loop(gradients, clip, noise, draw, expected):
    total = noise * clip * np.asarray(draw)
    for gradient in gradients:
        length = math.hypot(*gradient)
        total = total + (gradient if length <= clip else gradient * (clip / length))
    return total / expected


def private_in_float32(gradients, clip, noise, draw, expected):
    g = gradients.astype("float32")
    factors = F32(clip) / np.maximum(np.sqrt((g**2).sum(axis=1)), F32(clip))
    return (factors @ g + F32(noise * clip) * draw.astype("float32")) / F32(expected)


def noise_by_search(epsilon, delta, steps):
    low, high = 1e-6, 1e9
    for _ in range(200):
        middle = math.sqrt(low * high)
        rho = steps / (2 * middle**2)
        if rho + 2 * math.sqrt(rho * math.log(1 / delta)) > epsilon:
            low = middle
        else:
            high = middle
    return high


def noise_in_float32(epsilon, delta, steps):
    bits = -np.log(F32(delta))
    root = F32(epsilon) / (np.sqrt(bits) + np.sqrt(bits + F32(epsilon)))
    return np.sqrt(F32(steps) / 2) / root


def average_in_a_loop(start, updates, sizes):
    total, count = np.zeros(len(start)), 0
    for update, size in zip(updates, sizes, strict=True):
        if all(map(math.isfinite, update)):
            total, count = total + size * update, count + size
    return total / count if count else start.copy()


def average_in_float32(start, updates, sizes):
    weights = np.where(np.isfinite(updates.sum(axis=1)), sizes, 0).astype("float32")
    if not weights.any():
        return start
    return (weights / weights.sum()) @ np.nan_to_num(updates, posinf=0, neginf=0).astype("float32")


def masks_in_uint32(values, masks):
    sent = values.astype("uint32")
    for i, j in itertools.combinations(range(len(values)), 2):
        mask = masks[i, j].astype("uint32")
        sent[i] += mask
        sent[j] -= mask
    return sent, sent.sum(axis=0, dtype="uint32").astype("int32")


def masks_in_python(values, masks):
    rows = []
    for i, row in enumerate(values.tolist()):
        for j in range(len(values)):
            sign = (j > i) - (j < i)
            mask = masks[min(i, j), max(i, j)].tolist()
            row = [(a + sign * b) % 2**32 for a, b in zip(row, mask, strict=True)]
        rows.append(row)
    total = [sum(column) % 2**32 for column in zip(*rows, strict=True)]
    return rows, [each - 2**32 if each >> 31 else each for each in total]


RIGHT = {
    "scaling.roofline": [roofline_by_times, roofline_in_float32],
    "scaling.accumulated_gradient": [accumulated_in_a_loop, accumulated_in_float32],
    "scaling.loss_scaling": [scaling_by_powers, scaling_with_countdown],
    "scaling.all_reduce_bytes": [ring_by_sending, ring_by_fractions],
    "scaling.shard": [shard_by_array, shard_by_splitting],
    "scaling.speedups": [speedups_by_shares, speedups_in_float32],
    "scaling.training_days": [days_by_passes, days_by_logarithms],
    "interpretability.attention_rollout": [rollout_by_steps, rollout_in_float32],
    "interpretability.integrated_gradients": [gradients_at_once, gradients_in_float32, gradients_by_cosh],
    "interpretability.occlusion": [occlusion_at_once, occlusion_by_difference],
    "interpretability.shapley": [shapley_by_orders, shapley_by_sizes],
    "interpretability.deletion_area": [area_word_by_word, area_in_float32],
    "interpretability.selectivity": [selectivity_in_a_loop, selectivity_by_average],
    "interpretability.holm": [holm_by_comparing, holm_in_float32],
    "privacy.membership_auc": [auc_by_ranks, auc_in_a_loop],
    "privacy.true_positives": [found_by_thresholds, found_by_counting],
    "privacy.words_used": [words_by_sets, words_by_norms],
    "privacy.private_gradient": [private_in_a_loop, private_in_float32],
    "privacy.noise_for": [noise_by_search, noise_in_float32],
    "privacy.federated_average": [average_in_a_loop, average_in_float32],
    "privacy.pairwise_masks": [masks_in_uint32, masks_in_python],
}


@pytest.mark.parametrize("seed", SEEDS)
@by_question(RIGHT)
def test_right_answers_of_other_kinds_pass(question_id, answer, seed):
    assert verdict(question_id, answer, seed).message == ""


def test_every_question_of_these_lessons_is_answered_otherwise():
    asked = [each.id for word in ("scaling", "interpretability", "privacy") for each in questions.topic(word)]
    assert list(RIGHT) == asked


# What the lessons' own functions say, where they compute the same.


def drawn(question_id, seed=0):
    """The inputs of a question and the right outputs."""
    asked = questions.get(question_id)
    for call in asked.calls(np.random.default_rng(seed)):
        yield call, asked.reference(*call)


def test_lesson_09_computes_the_same():
    from course_lib import scaling

    for (m, k, n, size, peak, bandwidth), right in drawn("scaling.roofline"):
        operation = scaling.product("", m, k, n, itemsize=size)
        reached = scaling.Ceilings(peak, bandwidth).attainable(operation.intensity)
        np.testing.assert_allclose([operation.intensity, reached], right)
    for (gradients, sizes, clip), right in drawn("scaling.accumulated_gradient"):
        (mean,) = scaling.average([[row] for row in gradients], sizes.tolist())
        np.testing.assert_allclose(mean * min(1, clip / np.linalg.norm(mean)), right)
    for (largest, scale, growth_steps), (scales, skipped) in drawn("scaling.loss_scaling"):
        machine = scaling.LossScale(scale, growth_steps)
        for each, used, lost in zip(largest, scales, skipped, strict=True):
            assert machine.scale == used
            with np.errstate(over="ignore"):
                scaled = np.float16(each * used) if each * used != 65504 else np.float16(65504)
            assert (machine.update([scaled]) is None) == lost
    for (values, workers, size), right in drawn("scaling.all_reduce_bytes"):
        padded = -(-values // workers) * workers
        assert scaling.all_reduce_bytes(padded * size, workers) == pytest.approx(right)
    for (serial, parallel, workers), (fixed, _) in drawn("scaling.speedups"):
        assert scaling.amdahl(parallel / (serial + parallel), workers) == pytest.approx(fixed)
    for (parameters, tokens, accelerators, peak, share, recompute), right in drawn("scaling.training_days"):
        flops = scaling.training_flops(parameters, tokens, recompute)
        assert scaling.training_days(flops, accelerators, peak, share) == pytest.approx(right)


def test_lesson_10_computes_the_same():
    from course_lib import interpretability

    for (attention,), right in drawn("interpretability.attention_rollout"):
        np.testing.assert_allclose(interpretability.rollout(attention), right)
    for (worth,), right in drawn("interpretability.shapley"):
        count = len(worth).bit_length() - 1

        def value(present, worth=worth, count=count):
            return worth[np.asarray(present) @ (1 << np.arange(count))]

        np.testing.assert_allclose(interpretability.shapley_exact(value, count), right, atol=1e-12)
    for (attributions, values, bias), right in drawn("interpretability.deletion_area"):

        def probability(present, values=values, bias=bias):
            return scipy.special.expit(bias + np.asarray(present) @ values)

        order = np.argsort(-attributions, kind="stable")
        curve = interpretability.removal_curve(probability, order)
        assert interpretability.area(curve) == pytest.approx(right)
    for (p_values,), right in drawn("interpretability.holm"):
        np.testing.assert_allclose(interpretability.holm(p_values), right)


def test_lesson_11_computes_the_same():
    from course_lib import privacy

    for scores, right in drawn("privacy.membership_auc"):
        assert privacy.auc(*scores) == pytest.approx(right)
    for (members, others, share), right in drawn("privacy.true_positives"):
        assert privacy.true_positives(members, others, share) == pytest.approx(right)
    for (before, after, words, special), right in drawn("privacy.words_used"):
        used = [words[row] for row in privacy.reconstruction.tokens_used(after - before)]
        assert [word for word in used if word not in special] == right
    for (gradients, clip, noise, draw, expected), right in drawn("privacy.private_gradient"):
        layers = [(gradients, np.ones((len(gradients), 1)))]  # A linear layer's inputs and errors of 1.
        (total,) = privacy.dp_sgd.clipped_sum(layers, clip)
        np.testing.assert_allclose((total[:, 0] + noise * clip * draw) / expected, right, atol=1e-12)
    for (_, updates, sizes), right in drawn("privacy.federated_average"):
        usable = np.isfinite(updates).all(axis=1)
        if usable.any():
            (mean,) = privacy.federated.average([[row] for row in updates[usable]], sizes[usable].tolist())
            np.testing.assert_allclose(mean, right)
    for (values, masks), (sent, total) in drawn("privacy.pairwise_masks"):
        coded = privacy.secure_aggregation.encode(values, scale=1.0)
        pairs = masks.astype("uint32")
        found = coded + pairs.sum(axis=1, dtype="uint32") - pairs.sum(axis=0, dtype="uint32")
        np.testing.assert_array_equal(found, sent)
        found = privacy.secure_aggregation.decode(found.sum(axis=0, dtype="uint32"), scale=1.0)
        np.testing.assert_array_equal(found, total)
