"""Lessons 12 and 13: right answers of other kinds pass, in either precision."""

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


def norm_in_a_loop(x, scale, offset, framework):
    epsilon = {"keras": 1e-3, "jax": 1e-6}.get(framework, 1e-5)
    found = np.empty(x.shape)
    for place in np.ndindex(x.shape[:-1]):
        row = x[place].tolist()
        mean = math.fsum(row) / len(row)
        spread = math.sqrt(math.fsum((each - mean) ** 2 for each in row) / len(row) + epsilon)
        for i, each in enumerate(row):
            y = scale[i] * (each - mean) / spread + offset[i]
            inside = math.sqrt(2 / math.pi) * (y + 0.044715 * y**3)
            found[(*place, i)] = y * (1 + math.tanh(inside)) / 2 if framework == "jax" else y * normal(y)
    return found


def normal(y):
    return 0.5 * math.erfc(-y / math.sqrt(2))


def norm_by_moments(x, scale, offset, framework):
    """The tanh as a sigmoid of twice its argument."""
    epsilon = {"keras": 1e-3, "torch": 1e-5, "jax": 1e-6, "paddle": 1e-5}[framework]
    centred = x - np.einsum("...i->...", x)[..., None] / x.shape[-1]
    y = scale * centred / np.sqrt(np.mean(np.square(centred), axis=-1, keepdims=True) + epsilon) + offset
    if framework == "jax":
        return y * scipy.special.expit(2 * np.sqrt(2 / np.pi) * (y + 0.044715 * y**3))
    return y * scipy.stats.norm.cdf(y)


def moved_by_probing(query, key, value, biases, output):
    """Sends one-hot vectors through Keras' layers, and reads the weights off."""
    width, heads, size = query.shape
    eye = np.eye(width)
    parts = [np.einsum("td,dhs->ths", eye, kernel).reshape(width, width) for kernel in (query, key, value)]
    joined = np.eye(width).reshape(width, heads, size)
    out = np.einsum("ths,hsd->td", joined, output)  # Row i: what input i brings.
    return np.vstack([part.T for part in parts]), np.ravel(biases), np.swapaxes(out, 0, 1)


def moved_head_by_head(query, key, value, biases, output):
    _, heads, size = query.shape
    rows = [kernel[:, h, i] for kernel in (query, key, value) for h in range(heads) for i in range(size)]
    columns = [output[h, i] for h in range(heads) for i in range(size)]
    flat = [float(bias[h, i]) for bias in biases for h in range(heads) for i in range(size)]
    return np.array(rows, F32), flat, np.stack(columns, axis=1).astype("float32")


def report_in_loops(source, target, rules):
    missing, unexpected, mismatched = list(target), [], []
    for name, shape in source.items():
        for old, new in rules:
            name = new.join(name.split(old))
        if name not in target:
            unexpected.append(name)
            continue
        missing.remove(name)
        if target[name] != shape:
            mismatched.append(name)
    return tuple(map(sorted, (missing, unexpected, mismatched)))


def report_by_sets(source, target, rules):
    def renamed(name, rest):
        return renamed(name.replace(*rest[0]), rest[1:]) if rest else name

    ours = {renamed(name, rules): shape for name, shape in source.items()}
    shared = ours.keys() & target.keys()
    differ = {name for name, shape in ours.items() - target.items() if name in shared}
    return np.array(sorted(target.keys() - shared)), sorted(ours.keys() - shared), sorted(differ)


def first_by_entries(ours, theirs, rtol, atol):
    for place, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if a.shape != b.shape:
            return place
        for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
            if not (math.isfinite(x) and math.isfinite(y)) or abs(x - y) > atol + rtol * abs(y):
                return place
    return -1


def first_by_numpy(ours, theirs, rtol, atol):
    bad = [
        a.shape != b.shape or not np.isfinite(a + b).all() or not np.allclose(a, b, rtol, atol)
        for a, b in zip(ours, theirs, strict=True)
    ]
    return np.argmax(bad) if any(bad) else np.int64(-1)


def training_with_one_formula(weights, gradients, rate, decay, epsilon, framework):
    """Keras' step is PyTorch's with an epsilon that shrinks as the correction of v grows."""
    w = [float(each) for each in weights]
    for i in range(len(w)):
        m = v = 0.0
        for t, g in enumerate(gradients[:, i].tolist(), 1):
            w[i] -= rate * decay * w[i]
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            bias = 1 - 0.999**t
            own = epsilon if framework == "torch" else epsilon / math.sqrt(bias)
            w[i] -= rate * m / (1 - 0.9**t) / (math.sqrt(v / bias) + own)
    return w


def training_in_float32(weights, gradients, rate, decay, epsilon, framework):
    w, m, v = weights.astype(F32), F32(0), F32(0)
    for t, g in enumerate(gradients.astype(F32), 1):
        m, v = F32(0.9) * m + F32(0.1) * g, F32(0.999) * v + F32(0.001) * g * g
        one, two = F32(1 - 0.9**t), F32(1 - 0.999**t)
        if framework == "keras":
            step = np.sqrt(two) / one * m / (np.sqrt(v) + F32(epsilon))
        else:
            step = m / one / (np.sqrt(v / two) + F32(epsilon))
        w = w * F32(1 - rate * decay) - F32(rate) * step
    return w


def ratios_by_sorting(seconds, warm_up):
    found = []
    for program in range(seconds.shape[1]):
        each = sorted(row[program] / row[0] for row in seconds[warm_up:].tolist())
        found.append((each[(len(each) - 1) // 2] + each[len(each) // 2]) / 2)
    return found


def ratios_in_float32(seconds, warm_up):
    kept = np.delete(seconds, range(warm_up), axis=0).astype("float32").T
    return np.quantile(kept / kept[0], 0.5, axis=1)


def threshold_by_cumulating(scores, right, wrong_cost, ask_cost):
    """Goes down the scores; all equal ones change sides together."""
    order = np.argsort(-scores)
    change = np.where(right[order], -ask_cost, wrong_cost - ask_cost)
    costs = len(scores) * ask_cost + np.cumsum(change)
    last = np.append(np.diff(scores[order]) != 0, True)
    thresholds = np.append(np.inf, scores[order][last])
    costs = np.append(len(scores) * ask_cost, costs[last])
    best = np.argmin(np.round(costs, 9))
    return thresholds[best], costs[best] / len(scores)


def threshold_in_python(scores, right, wrong_cost, ask_cost):
    wrong, ask = map(fractions.Fraction, (wrong_cost, ask_cost))

    def cost(threshold):
        pairs = zip(scores.tolist(), right.tolist(), strict=True)
        return sum((wrong * (not ok) if score >= threshold else ask) for score, ok in pairs) / len(scores)

    best = min([math.inf, *scores.tolist()], key=lambda threshold: (cost(threshold), -threshold))
    return best, float(cost(best))


def mcnemar_by_scipy(labels, ours, baseline):
    table = np.zeros((2, 2), int)
    np.add.at(table, ((ours == labels).astype(int), (baseline == labels).astype(int)), 1)
    b, c = table[1, 0], table[0, 1]
    return b, c, scipy.stats.binomtest(int(b), int(b + c)).pvalue if b + c else 1.0


def mcnemar_by_beta(labels, ours, baseline):
    right = [(a == y, b == y) for y, a, b in zip(labels, ours, baseline, strict=True)]
    b, c = right.count((True, False)), right.count((False, True))
    return F32(b), F32(c), F32(min(1, 2 * scipy.special.bdtr(min(b, c), b + c, 0.5)) if b + c else 1)


def split_by_sorting(users, times):
    """Sorts the table by user and time; a user's ratings are then side by side."""
    order = np.lexsort((np.arange(len(users)), times, users))
    own = users[order]
    _, starts, counts = np.unique(own, return_index=True, return_counts=True)
    enough = counts >= 3
    parts = np.zeros(len(users), "int8")
    parts[order[(starts + counts - 1)[enough]]] = 2
    parts[order[(starts + counts - 2)[enough]]] = 1
    return parts


def split_by_counting(users, times):
    parts = []
    for i in range(len(users)):
        own = [j for j in range(len(users)) if users[j] == users[i]]
        later = sum((times[j], j) > (times[i], i) for j in own)
        parts.append((2 - later) if len(own) >= 3 and later < 2 else 0)
    return parts


def ranking_at_once(scores, seen, relevant, k):
    kept = relevant.any(axis=1)
    scores, seen, relevant = scores[kept], seen[kept], relevant[kept]
    order = np.argsort(-np.where(seen, -np.inf, scores), axis=1, kind="stable")
    hits = np.take_along_axis(relevant, order, axis=1)[:, :k].astype("float32")
    best = np.sort(relevant, axis=1)[:, ::-1][:, :k].astype("float32")
    worth = np.log(F32(2)) / np.log(np.arange(2, k + 2, dtype="float32"))
    return np.mean(hits.sum(axis=1) / relevant.sum(axis=1)), np.mean((hits @ worth) / (best @ worth))


def ranking_by_comparing(scores, seen, relevant, k):
    """A rank is one more than the number of unseen items that come before."""
    recalls, ndcgs = [], []
    for s, known, wanted in zip(scores.tolist(), seen.tolist(), relevant.tolist(), strict=True):
        if not any(wanted):
            continue
        ranks = [
            1 + sum((-s[j], j) < (-s[i], i) for j in range(len(s)) if not known[j])
            for i in range(len(s))
            if wanted[i]
        ]
        hits = [rank for rank in ranks if rank <= k]
        recalls.append(len(hits) / len(ranks))
        ideal = range(1, min(k, len(ranks)) + 1)
        ndcgs.append(sum(1 / math.log2(r + 1) for r in hits) / sum(1 / math.log2(r + 1) for r in ideal))
    return sum(recalls) / len(recalls), sum(ndcgs) / len(ndcgs)


def aligned_by_groups(labels, word_ids, ignore):
    found = []
    for word, pieces in itertools.groupby(word_ids):
        first, *rest = [ignore for _ in pieces]
        found += [first if word is None else labels[word], *rest]
    return found


def aligned_by_first_places(labels, word_ids, ignore):
    found = np.full(len(word_ids), ignore, "int64")
    for word in set(word_ids) - {None}:
        found[word_ids.index(word)] = labels[word]
    return found


def spans_by_begins(tags):
    """Marks where spans begin, then looks how far each goes."""
    padded = ["O", *tags]
    begins = [
        tag != "O" and (tag[0] == "B" or before == "O" or before[2:] != tag[2:])
        for before, tag in itertools.pairwise(padded)
    ]
    types, starts, ends = [], [], []
    for start in (i for i, begin in enumerate(begins) if begin):
        end = start + 1
        while end < len(tags) and tags[end] != "O" and not begins[end]:
            end += 1
        types.append(tags[start].split("-", 1)[1])
        starts.append(start)
        ends.append(end)
    return types, starts, ends


def spans_backwards(tags):
    found, end = [], None
    for place in range(len(tags) - 1, -1, -1):
        if tags[place] == "O":
            continue
        end = place + 1 if end is None else end
        before = tags[place - 1] if place else "O"
        if tags[place].startswith("B") or before == "O" or before[2:] != tags[place][2:]:
            found.append((tags[place][2:], place, end))
            end = None
    types, starts, ends = zip(*found[::-1], strict=True) if found else ((), (), ())
    return list(types), np.array(starts, int), np.array(ends, int)


def f1_by_lists(true, predicted):
    hits = wanted = claimed = 0
    for a, b in zip(true, predicted, strict=True):
        one, other = (list(zip(*spans_by_begins(tags), strict=True)) for tags in (a, b))
        wanted, claimed = wanted + len(one), claimed + len(other)
        hits += sum(span in one for span in other)
    f1 = 2 * hits / (wanted + claimed) if hits else 0
    return hits / max(claimed, 1), hits / max(wanted, 1), f1


def f1_of_one_long_text(true, predicted):
    """Joins the sentences, with an O between any two."""
    one, other = (
        set(zip(*spans_backwards([tag for tags in sentences for tag in (*tags, "O")]), strict=True))
        for sentences in (true, predicted)
    )
    precision, recall = (F32(len(one & other)) / max(len(each), 1) for each in (other, one))
    return precision, recall, 2 / (1 / precision + 1 / recall) if precision else 0.0


RIGHT = {
    "frameworks.norm_then_gelu": [norm_in_a_loop, norm_by_moments],
    "frameworks.attention_to_torch": [moved_by_probing, moved_head_by_head],
    "frameworks.load_report": [report_in_loops, report_by_sets],
    "frameworks.first_difference": [first_by_entries, first_by_numpy],
    "frameworks.adamw_training": [training_with_one_formula, training_in_float32],
    "frameworks.speed_ratios": [ratios_by_sorting, ratios_in_float32],
    "capstone.choose_threshold": [threshold_by_cumulating, threshold_in_python],
    "capstone.mcnemar": [mcnemar_by_scipy, mcnemar_by_beta],
    "capstone.split_by_time": [split_by_sorting, split_by_counting],
    "capstone.recall_and_ndcg": [ranking_at_once, ranking_by_comparing],
    "capstone.align_labels": [aligned_by_groups, aligned_by_first_places],
    "capstone.spans": [spans_by_begins, spans_backwards],
    "capstone.span_f1": [f1_by_lists, f1_of_one_long_text],
}


@pytest.mark.parametrize("seed", SEEDS)
@by_question(RIGHT)
def test_right_answers_of_other_kinds_pass(question_id, answer, seed):
    assert verdict(question_id, answer, seed).message == ""


def test_every_question_of_these_lessons_is_answered_otherwise():
    asked = [each.id for word in ("frameworks", "capstone") for each in questions.topic(word)]
    assert list(RIGHT) == asked


# What the texts of the exercises say by example, and what the frameworks themselves compute.


def test_the_examples_of_the_texts():
    def ask(name, *arguments):
        return questions.get(name).reference(*arguments)

    row, one, zero = np.array([[0, 0.02, 0.04]]), np.ones(3), np.zeros(3)
    keras, torch = (ask("frameworks.norm_then_gelu", row, one, zero, name)[0] for name in ("keras", "torch"))
    np.testing.assert_allclose(keras, [-0.161, 0, 0.401], atol=5e-4)
    np.testing.assert_allclose(torch, [-0.138, 0, 1.065], atol=5e-4)
    question = questions.get("frameworks.attention_to_torch")
    weight, _, out = question.reference(*question.example)
    assert weight[:2].tolist() == [[1, 3], [2, 4]]
    assert out.tolist() == [[1, 3], [2, 4]]
    question = questions.get("frameworks.load_report")
    assert question.reference(*question.example) == (["dense.bias"], ["step"], ["dense.weight"])
    question = questions.get("frameworks.first_difference")
    assert question.reference(*question.example) == 1
    start, steps = np.array([1.0]), np.array([[0.001], [0.001]])
    for name, end in (("torch", 0.9), ("keras", 0.9927)):
        found = ask("frameworks.adamw_training", start, steps, 0.1, 0.0, 0.001, name)
        np.testing.assert_allclose(found, [end], atol=1e-4)
    question = questions.get("frameworks.speed_ratios")
    assert question.reference(*question.example).tolist() == [1, 2]
    question = questions.get("capstone.choose_threshold")
    assert question.reference(*question.example) == (0.8, 0.5)
    question = questions.get("capstone.mcnemar")
    assert question.reference(*question.example) == (2, 1, 1.0)
    labels = np.ones(8, int)
    assert ask("capstone.mcnemar", labels, labels, 0 * labels) == (8, 0, 2 / 256)
    question = questions.get("capstone.split_by_time")
    assert question.reference(*question.example).tolist() == [1, 0, 0, 2, 0]
    question = questions.get("capstone.recall_and_ndcg")
    np.testing.assert_allclose(question.reference(*question.example), (0.5, 0.387), atol=5e-4)
    question = questions.get("capstone.align_labels")
    assert question.reference(*question.example).tolist() == [-100, 2, 0, -100, 1, -100]
    question = questions.get("capstone.spans")
    assert question.reference(*question.example) == (["PER", "LOC", "ORG"], [0, 2, 4], [1, 4, 5])
    question = questions.get("capstone.span_f1")
    np.testing.assert_allclose(question.reference(*question.example), (1 / 3, 1 / 2, 0.4))


def test_keras_takes_the_same_steps():
    import keras

    question = questions.get("frameworks.adamw_training")
    for call in question.calls(np.random.default_rng(0)):
        weights, gradients, rate, decay, epsilon, framework = call
        if framework != "keras":
            continue
        optimizer = keras.optimizers.AdamW(rate, weight_decay=decay, epsilon=epsilon)
        variable = keras.Variable(weights.astype("float32"))
        optimizer.build([variable])
        for gradient in gradients.astype("float32"):
            optimizer.apply([gradient])
        np.testing.assert_allclose(np.asarray(variable), question.reference(*call), rtol=1e-4, atol=1e-5)


def test_keras_has_the_defaults_of_the_table():
    import keras

    x = np.random.default_rng(0).normal(scale=0.03, size=(3, 6)).astype("float32")
    layer = keras.layers.LayerNormalization()
    found = keras.activations.gelu(layer(x))
    right = questions.get("frameworks.norm_then_gelu").reference(x, np.ones(6), np.zeros(6), "keras")
    np.testing.assert_allclose(np.asarray(found), right, atol=1e-5)


def test_pytorch_says_the_same():
    torch = pytest.importorskip("torch", reason="only `make frameworks` has it")
    question = questions.get("frameworks.adamw_training")
    for call in question.calls(np.random.default_rng(0)):
        weights, gradients, rate, decay, epsilon, framework = call
        if framework != "torch":
            continue
        value = torch.tensor(weights, requires_grad=True)
        optimizer = torch.optim.AdamW([value], lr=rate, weight_decay=decay, eps=epsilon)
        for gradient in gradients:
            value.grad = torch.tensor(gradient)
            optimizer.step()
        np.testing.assert_allclose(value.detach().numpy(), question.reference(*call), rtol=1e-6)
    rng = np.random.default_rng(0)
    kernels, biases, output = (
        rng.normal(size=(3, 6, 2, 3)),
        rng.normal(size=(3, 2, 3)),
        rng.normal(size=(2, 3, 6)),
    )
    layer = torch.nn.MultiheadAttention(6, 2, batch_first=True, dtype=torch.float64)
    names = ("in_proj_weight", "in_proj_bias", "out_proj.weight")
    moved = questions.get("frameworks.attention_to_torch").reference(*kernels, biases, output)
    state = dict(zip(names, map(torch.tensor, moved), strict=True))
    layer.load_state_dict(state | {"out_proj.bias": torch.zeros(6, dtype=torch.float64)})
    x = rng.normal(size=(1, 5, 6))
    found = layer(*[torch.tensor(x)] * 3)[0].detach().numpy()[0]
    parts = [np.einsum("td,dhs->hts", x[0], k) + b[:, None] for k, b in zip(kernels, biases, strict=True)]
    weights = scipy.special.softmax(parts[0] @ parts[1].transpose(0, 2, 1) / np.sqrt(3), axis=-1)
    np.testing.assert_allclose(found, np.einsum("hts,hsd->td", weights @ parts[2], output), atol=1e-12)


def test_scikit_learn_ranks_alike():
    from sklearn.metrics import ndcg_score

    for scores, seen, relevant, k in questions.get("capstone.recall_and_ndcg").calls(
        np.random.default_rng(0)
    ):
        kept = relevant.any(axis=1)
        hidden = np.where(seen, scores.min() - 1, scores)[kept]
        if any(len(set(row.tolist())) < len(row) - hid.sum() for row, hid in zip(scores, seen, strict=True)):
            continue  # It averages over ties.
        _, ndcg = questions.get("capstone.recall_and_ndcg").reference(scores, seen, relevant, k)
        assert ndcg == pytest.approx(ndcg_score(relevant[kept], hidden, k=k))


# What the lessons' own functions say, where they compute the same.


def drawn(question_id, seed=0):
    """The inputs of a question and the right outputs."""
    asked = questions.get(question_id)
    for call in asked.calls(np.random.default_rng(seed)):
        yield call, asked.reference(*call)


def test_lesson_12_computes_the_same():
    names = pytest.importorskip("course_lib.frameworks.names")
    for (query, key, value, biases, output), (weight, bias, out) in drawn("frameworks.attention_to_torch"):
        width = len(query)
        arrays = {f"{name}/{part}": np.zeros((2, 2)) for name, part in names.PARTS}
        for name, kernel, own in zip(("query", "key", "value"), (query, key, value), biases, strict=True):
            arrays |= {f"{name}/kernel": kernel.reshape(width, width), f"{name}/bias": own.reshape(width)}
        state = names.to_torch(arrays | {"output/kernel": output.reshape(width, width)})
        np.testing.assert_array_equal(state["self_attn.in_proj_weight"], weight)
        np.testing.assert_array_equal(state["self_attn.in_proj_bias"], bias)
        np.testing.assert_array_equal(state["self_attn.out_proj.weight"], out)


def test_lesson_13_computes_the_same():
    entities = pytest.importorskip("course_lib.capstone.entities")
    recommendation = pytest.importorskip("course_lib.capstone.recommendation")
    assistant = pytest.importorskip("course_lib.capstone.assistant")
    for (tags,), right in drawn("capstone.spans"):
        found = {(kind, first, last + 1) for kind, first, last in entities.spans(tags)}
        assert found == set(zip(*right, strict=True))
    for call, right in drawn("capstone.span_f1"):
        assert entities.span_scores(*call) == pytest.approx(right)
    for (scores, seen, relevant, k), right in drawn("capstone.recall_and_ndcg"):
        found = []
        for points, known, wanted in zip(scores, seen, relevant, strict=True):
            if wanted.any():
                films = np.argsort(np.where(known, np.inf, -points), kind="stable")[:k]
                wanted = np.flatnonzero(wanted)
                found.append(
                    [recommendation.recall_at(films, wanted), recommendation.ndcg_at(films, wanted, k)]
                )
        np.testing.assert_allclose(np.mean(found, axis=0), right)
    for (scores, right, wrong_cost, ask_cost), (_, cost) in drawn("capstone.choose_threshold"):
        labels = np.where(right, 0, 1)
        call = (scores, np.zeros(len(scores), int), labels, wrong_cost / ask_cost)
        threshold = assistant.choose_threshold(*call)
        assert ask_cost * assistant.mean_cost(threshold, *call) == pytest.approx(cost)
