# Written with the questions, by their author: only people who have not seen them can find what he missed.

# %% interpretability.attention_rollout
# mistake: no identity
def attention_rollout(attention):
    result = np.eye(attention.shape[-1])
    for layer in attention:
        result = layer.mean(axis=0) @ result
    return result


# %% interpretability.attention_rollout
# mistake: multiplied in the wrong order
def attention_rollout(attention):
    n = attention.shape[-1]
    result = np.eye(n)
    for layer in attention:
        a = 0.5 * layer.mean(axis=0) + 0.5 * np.eye(n)
        result = result @ a
    return result


# %% interpretability.attention_rollout
# mistake: identity added without halving
def attention_rollout(attention):
    n = attention.shape[-1]
    result = np.eye(n)
    for layer in attention:
        result = (layer.mean(0) + np.eye(n)) @ result
    return result


# %% interpretability.attention_rollout
# mistake: sum over the heads
def attention_rollout(attention):
    n = attention.shape[-1]
    result = np.eye(n)
    for layer in attention:
        result = (0.5 * layer.sum(0) + 0.5 * np.eye(n)) @ result
    return result


# %% interpretability.attention_rollout
# mistake: elementwise product
def attention_rollout(attention):
    n = attention.shape[-1]
    mats = 0.5 * attention.mean(axis=1) + 0.5 * np.eye(n)
    return np.prod(mats, axis=0)


# %% interpretability.attention_rollout
# mistake: np.ones instead of np.eye
def attention_rollout(attention):
    n = attention.shape[-1]
    mats = 0.5 * attention.mean(axis=1) + 0.5 * np.ones((n, n))
    result = mats[0]
    for m in mats[1:]:
        result = m @ result
    return result


# %% interpretability.attention_rollout
# mistake: follows heads separately
def attention_rollout(attention):
    layers, heads, n, _ = attention.shape
    total = np.zeros((n, n))
    for h in range(heads):
        r = np.eye(n)
        for l in range(layers):
            r = (attention[l, h] + np.eye(n)) / 2 @ r
        total += r
    return total / heads


# %% interpretability.attention_rollout
# mistake: mean over axis 0, the layers
def attention_rollout(attention):
    n = attention.shape[-1]
    mats = 0.5 * attention.mean(axis=0) + 0.5 * np.eye(n)
    result = mats[0]
    for m in mats[1:]:
        result = m @ result
    return result


# %% interpretability.attention_rollout
# mistake: result is transposed
def attention_rollout(attention):
    n = attention.shape[-1]
    result = np.eye(n)
    for layer in attention:
        a = 0.5 * layer.mean(axis=0) + 0.5 * np.eye(n)
        result = result @ a.T
    return result


# %% interpretability.integrated_gradients
# mistake: linspace with both ends
def integrated_gradients(x, baseline, kernel, output, steps):
    total = np.zeros_like(x)
    for a in np.linspace(0, 1, steps):
        p = baseline + a * (x - baseline)
        h = np.tanh(p @ kernel)
        total += kernel @ (output * (1 - h**2))
    return (x - baseline) * total / steps


# %% interpretability.integrated_gradients
# mistake: right ends, as in many tutorials
def integrated_gradients(x, baseline, kernel, output, steps):
    total = np.zeros_like(x)
    for k in range(1, steps + 1):
        p = baseline + k / steps * (x - baseline)
        h = np.tanh(p @ kernel)
        total += (kernel * (output * (1 - h**2))).sum(axis=1)
    return (x - baseline) * total / steps


# %% interpretability.integrated_gradients
# mistake: left ends
def integrated_gradients(x, baseline, kernel, output, steps):
    alphas = np.arange(steps) / steps
    points = baseline + alphas[:, None] * (x - baseline)
    g = (output * (1 - np.tanh(points @ kernel) ** 2)) @ kernel.T
    return g.mean(axis=0) * (x - baseline)


# %% interpretability.integrated_gradients
# mistake: multiplies by x
def integrated_gradients(x, baseline, kernel, output, steps):
    alphas = (np.arange(steps) + 0.5) / steps
    points = baseline + alphas[:, None] * (x - baseline)
    g = (output * (1 - np.tanh(points @ kernel) ** 2)) @ kernel.T
    return g.mean(axis=0) * x


# %% interpretability.integrated_gradients
# mistake: the derivative lacks the square
def integrated_gradients(x, baseline, kernel, output, steps):
    alphas = (np.arange(steps) + 0.5) / steps
    points = baseline + alphas[:, None] * (x - baseline)
    g = (output * (1 - np.tanh(points @ kernel))) @ kernel.T
    return g.mean(axis=0) * (x - baseline)


# %% interpretability.integrated_gradients
# mistake: path from 0
def integrated_gradients(x, baseline, kernel, output, steps):
    alphas = (np.arange(steps) + 0.5) / steps
    points = alphas[:, None] * x
    g = (output * (1 - np.tanh(points @ kernel) ** 2)) @ kernel.T
    return g.mean(axis=0) * (x - baseline)


# %% interpretability.integrated_gradients
# mistake: sum instead of mean
def integrated_gradients(x, baseline, kernel, output, steps):
    alphas = (np.arange(steps) + 0.5) / steps
    points = baseline + alphas[:, None] * (x - baseline)
    g = (output * (1 - np.tanh(points @ kernel) ** 2)) @ kernel.T
    return g.sum(axis=0) * (x - baseline)


# %% interpretability.integrated_gradients
# mistake: gradient times input at x only
def integrated_gradients(x, baseline, kernel, output, steps):
    g = kernel @ (output * (1 - np.tanh(x @ kernel) ** 2))
    return g * (x - baseline)


# %% interpretability.integrated_gradients
# mistake: forgets the way
def integrated_gradients(x, baseline, kernel, output, steps):
    alphas = (np.arange(steps) + 0.5) / steps
    points = baseline + alphas[:, None] * (x - baseline)
    g = (output * (1 - np.tanh(points @ kernel) ** 2)) @ kernel.T
    return g.mean(axis=0)


# %% interpretability.integrated_gradients
# mistake: kernel.T where kernel belongs, a shape error
def integrated_gradients(x, baseline, kernel, output, steps):
    total = 0
    for k in range(steps):
        p = baseline + (k + 0.5) / steps * (x - baseline)
        total = total + kernel.T @ (output * (1 - np.tanh(p @ kernel) ** 2))
    return total / steps * (x - baseline)


# %% interpretability.occlusion
# mistake: occludes padding as well
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-sum(values[i] for i in ids if i != 0)))

    full = p(token_ids)
    out = []
    for k, t in enumerate(token_ids):
        if t in special_ids:
            out.append(0.0)
            continue
        changed = token_ids.copy()
        changed[k] = mask_id
        out.append(full - p(changed))
    return np.array(out)


# %% interpretability.occlusion
# mistake: special tokens, too
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-sum(values[i] for i in ids if i != 0)))

    full = p(token_ids)
    out = np.zeros(len(token_ids))
    for k, t in enumerate(token_ids):
        if t != 0:
            changed = token_ids.copy()
            changed[k] = mask_id
            out[k] = full - p(changed)
    return out


# %% interpretability.occlusion
# mistake: the masks stay in the text
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-values[ids[ids != 0]].sum()))

    full = p(token_ids)
    out = np.zeros(len(token_ids))
    changed = token_ids.copy()
    for k, t in enumerate(token_ids):
        if t != 0 and t not in special_ids:
            changed[k] = mask_id
            out[k] = full - p(changed)
    return out


# %% interpretability.occlusion
# mistake: an alias instead of a copy, which changes the input as well
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-values[ids[ids != 0]].sum()))

    full = p(token_ids)
    out = np.zeros(len(token_ids))
    for k in range(len(token_ids)):
        if token_ids[k] != 0 and token_ids[k] not in special_ids:
            changed = token_ids
            changed[k] = mask_id
            out[k] = full - p(changed)
    return out


# %% interpretability.occlusion
# mistake: deletes the word
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-values[ids[ids != 0]].sum()))

    out = np.zeros(len(token_ids))
    for k, t in enumerate(token_ids):
        if t != 0 and t not in special_ids:
            out[k] = p(token_ids) - p(np.delete(token_ids, k))
    return out


# %% interpretability.occlusion
# mistake: the sign
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-values[ids[ids != 0]].sum()))

    out = np.zeros(len(token_ids))
    for k, t in enumerate(token_ids):
        if t != 0 and t not in special_ids:
            masked = np.where(np.arange(len(token_ids)) == k, mask_id, token_ids)
            out[k] = p(masked) - p(token_ids)
    return out


# %% interpretability.occlusion
# mistake: padding in the sum
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-values[ids].sum()))

    out = np.zeros(len(token_ids))
    for k, t in enumerate(token_ids):
        if t != 0 and t not in special_ids:
            masked = np.where(np.arange(len(token_ids)) == k, mask_id, token_ids)
            out[k] = p(token_ids) - p(masked)
    return out


# %% interpretability.occlusion
# mistake: special tokens do not count in the sum
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-sum(values[i] for i in ids if i != 0 and i not in special_ids)))

    out = np.zeros(len(token_ids))
    for k, t in enumerate(token_ids):
        if t != 0 and t not in special_ids:
            masked = np.where(np.arange(len(token_ids)) == k, mask_id, token_ids)
            out[k] = p(token_ids) - p(masked)
    return out


# %% interpretability.occlusion
# mistake: logits
def occlusion(token_ids, values, special_ids, mask_id):
    out = np.zeros(len(token_ids))
    for k, t in enumerate(token_ids):
        if t != 0 and t not in special_ids:
            out[k] = values[t] - values[mask_id]
    return out


# %% interpretability.shapley
# mistake: leave one out
def shapley(worth):
    n = int(np.log2(len(worth)))
    full = 2**n - 1
    return np.array([worth[full] - worth[full ^ (1 << i)] for i in range(n)])


# %% interpretability.shapley
# mistake: mean over all subsets (Banzhaf)
def shapley(worth):
    n = int(np.log2(len(worth)))
    out = np.zeros(n)
    for i in range(n):
        gains = [worth[s | 1 << i] - worth[s] for s in range(2**n) if not s & 1 << i]
        out[i] = np.mean(gains)
    return out


# %% interpretability.shapley
# mistake: the size of the set with the word in the weight
def shapley(worth):
    n = int(np.log2(len(worth)))
    out = np.zeros(n)
    for i in range(n):
        for s in range(2**n):
            if s & 1 << i:
                size = bin(s).count("1")
                w = math.factorial(size) * math.factorial(max(n - size - 1, 0)) / math.factorial(n)
                out[i] += w * (worth[s] - worth[s ^ 1 << i])
    return out


# %% interpretability.shapley
# mistake: forgets to divide by n!
def shapley(worth):
    n = int(np.log2(len(worth)))
    out = np.zeros(n)
    for i in range(n):
        for s in range(2**n):
            if not s & 1 << i:
                size = bin(s).count("1")
                out[i] += math.factorial(size) * math.factorial(n - size - 1) * (worth[s | 1 << i] - worth[s])
    return out


# %% interpretability.shapley
# mistake: bits read from the left
def shapley(worth):
    import itertools

    n = int(np.log2(len(worth)))
    v = dict(zip(itertools.product([0, 1], repeat=n), worth))
    out = np.zeros(n)
    for order in itertools.permutations(range(n)):
        here = [0] * n
        for i in order:
            before = v[tuple(here)]
            here[i] = 1
            out[i] += v[tuple(here)] - before
    return out / math.factorial(n)


# %% interpretability.shapley
# mistake: only one order
def shapley(worth):
    n = int(np.log2(len(worth)))
    out, s = np.zeros(n), 0
    for i in range(n):
        out[i] = worth[s | 1 << i] - worth[s]
        s |= 1 << i
    return out


# %% interpretability.shapley
# mistake: words alone
def shapley(worth):
    n = int(np.log2(len(worth)))
    return np.array([worth[2**i] - worth[0] for i in range(n)])


# %% interpretability.shapley
# mistake: sum over the orders, not divided
def shapley(worth):
    import itertools

    n = int(np.log2(len(worth)))
    out = np.zeros(n)
    for order in itertools.permutations(range(n)):
        s = 0
        for i in order:
            out[i] += worth[s | 1 << i] - worth[s]
            s |= 1 << i
    return out


# %% interpretability.shapley
# mistake: begins with 0 instead of the empty text
def shapley(worth):
    import itertools

    n = int(np.log2(len(worth)))
    out = np.zeros(n)
    for order in itertools.permutations(range(n)):
        s, last = 0, 0.0
        for i in order:
            s += 2**i
            out[i] += worth[s] - last
            last = worth[s]
    return out / math.factorial(n)


# %% interpretability.deletion_area
# mistake: least important first
def deletion_area(attributions, values, bias):
    left = values.sum()
    curve = [1 / (1 + np.exp(-(bias + left)))]
    for i in np.argsort(attributions):
        left -= values[i]
        curve.append(1 / (1 + np.exp(-(bias + left))))
    curve = np.array(curve)
    return np.sum((curve[1:] + curve[:-1]) / 2) / len(values)


# %% interpretability.deletion_area
# mistake: argsort turned round at the end, which turns round ties
def deletion_area(attributions, values, bias):
    left = values.sum()
    curve = [1 / (1 + np.exp(-(bias + left)))]
    for i in np.argsort(attributions, kind="stable")[::-1]:
        left -= values[i]
        curve.append(1 / (1 + np.exp(-(bias + left))))
    curve = np.array(curve)
    return np.sum((curve[1:] + curve[:-1]) / 2) / len(values)


# %% interpretability.deletion_area
# mistake: by magnitude
def deletion_area(attributions, values, bias):
    kept = np.ones(len(values), bool)
    curve = [1 / (1 + np.exp(-(bias + values.sum())))]
    for i in np.argsort(-abs(attributions), kind="stable"):
        kept[i] = False
        curve.append(1 / (1 + np.exp(-(bias + values[kept].sum()))))
    return np.trapezoid(curve, dx=1 / len(values))


# %% interpretability.deletion_area
# mistake: mean of the points
def deletion_area(attributions, values, bias):
    kept = np.ones(len(values), bool)
    curve = [1 / (1 + np.exp(-(bias + values.sum())))]
    for i in np.argsort(-attributions, kind="stable"):
        kept[i] = False
        curve.append(1 / (1 + np.exp(-(bias + values[kept].sum()))))
    return np.mean(curve)


# %% interpretability.deletion_area
# mistake: trapezoids of width 1
def deletion_area(attributions, values, bias):
    kept = np.ones(len(values), bool)
    curve = [1 / (1 + np.exp(-(bias + values.sum())))]
    for i in np.argsort(-attributions, kind="stable"):
        kept[i] = False
        curve.append(1 / (1 + np.exp(-(bias + values[kept].sum()))))
    return np.trapezoid(curve)


# %% interpretability.deletion_area
# mistake: the whole text is not in the curve
def deletion_area(attributions, values, bias):
    kept = np.ones(len(values), bool)
    curve = []
    for i in np.argsort(-attributions, kind="stable"):
        kept[i] = False
        curve.append(1 / (1 + np.exp(-(bias + values[kept].sum()))))
    return np.trapezoid(curve, np.linspace(0, 1, len(curve)))


# %% interpretability.deletion_area
# mistake: each word is put back
def deletion_area(attributions, values, bias):
    curve = [1 / (1 + np.exp(-(bias + values.sum())))]
    for i in np.argsort(-attributions, kind="stable"):
        curve.append(1 / (1 + np.exp(-(bias + values.sum() - values[i]))))
    return np.trapezoid(curve, np.linspace(0, 1, len(curve)))


# %% interpretability.deletion_area
# mistake: insertion
def deletion_area(attributions, values, bias):
    curve, s = [1 / (1 + np.exp(-bias))], 0.0
    for i in np.argsort(-attributions, kind="stable"):
        s += values[i]
        curve.append(1 / (1 + np.exp(-(bias + s))))
    return np.trapezoid(curve, np.linspace(0, 1, len(curve)))


# %% interpretability.deletion_area
# mistake: without the bias
def deletion_area(attributions, values, bias):
    order = np.argsort(-attributions, kind="stable")
    left = np.append(np.cumsum(values[order][::-1])[::-1], 0.0)
    curve = 1 / (1 + np.exp(-left))
    return np.trapezoid(curve, np.linspace(0, 1, len(curve)))


# %% interpretability.selectivity
# mistake: padding counts
def selectivity(token_ids, labels, predicted, control, predicted_control):
    return np.mean(predicted == labels) - np.mean(predicted_control == control[token_ids])


# %% interpretability.selectivity
# mistake: masked by multiplication
def selectivity(token_ids, labels, predicted, control, predicted_control):
    mask = token_ids != 0
    a = np.mean((predicted == labels) * mask)
    b = np.mean((predicted_control == control[token_ids]) * mask)
    return a - b


# %% interpretability.selectivity
# mistake: the control against the real labels
def selectivity(token_ids, labels, predicted, control, predicted_control):
    mask = token_ids > 0
    return np.mean(predicted[mask] == labels[mask]) - np.mean(predicted_control[mask] == labels[mask])


# %% interpretability.selectivity
# mistake: mean of the texts' accuracies
def selectivity(token_ids, labels, predicted, control, predicted_control):
    diffs = []
    for t in range(len(token_ids)):
        m = token_ids[t] != 0
        a = np.mean(predicted[t][m] == labels[t][m])
        b = np.mean(predicted_control[t][m] == control[token_ids[t]][m])
        diffs.append(a - b)
    return np.mean(diffs)


# %% interpretability.selectivity
# mistake: ratio
def selectivity(token_ids, labels, predicted, control, predicted_control):
    m = token_ids != 0
    return np.mean((predicted == labels)[m]) / np.mean((predicted_control == control[token_ids])[m])


# %% interpretability.selectivity
# mistake: absolute difference
def selectivity(token_ids, labels, predicted, control, predicted_control):
    m = token_ids != 0
    return abs(np.mean((predicted == labels)[m]) - np.mean((predicted_control == control[token_ids])[m]))


# %% interpretability.selectivity
# mistake: compares shapes that do not fit, control without token ids
def selectivity(token_ids, labels, predicted, control, predicted_control):
    m = token_ids != 0
    return np.mean((predicted == labels)[m]) - np.mean((predicted_control == control)[m])


# %% interpretability.selectivity
# mistake: control minus task
def selectivity(token_ids, labels, predicted, control, predicted_control):
    m = token_ids != 0
    task = (predicted[m] == labels[m]).mean()
    ctrl = (predicted_control[m] == control[token_ids[m]]).mean()
    return ctrl - task


# %% interpretability.holm
# mistake: Bonferroni
def holm(p_values):
    return np.clip(p_values * len(p_values), 0, 1)


# %% interpretability.holm
# mistake: no running maximum
def holm(p_values):
    m = len(p_values)
    out = np.zeros(m)
    for rank, i in enumerate(np.argsort(p_values)):
        out[i] = min(1.0, (m - rank) * p_values[i])
    return out


# %% interpretability.holm
# mistake: returned in sorted order
def holm(p_values):
    m = len(p_values)
    p = np.sort(p_values)
    return np.minimum(np.maximum.accumulate(p * np.arange(m, 0, -1)), 1)


# %% interpretability.holm
# mistake: Benjamini-Hochberg
def holm(p_values):
    m = len(p_values)
    order = np.argsort(p_values)
    q = p_values[order] * m / np.arange(1, m + 1)
    q = np.minimum.accumulate(q[::-1])[::-1]
    out = np.empty(m)
    out[order] = np.minimum(q, 1)
    return out


# %% interpretability.holm
# mistake: not cut at 1
def holm(p_values):
    m = len(p_values)
    order = np.argsort(p_values)
    out = np.empty(m)
    out[order] = np.maximum.accumulate(p_values[order] * (m - np.arange(m)))
    return out


# %% interpretability.holm
# mistake: put back with order instead of its inverse
def holm(p_values):
    m = len(p_values)
    order = np.argsort(p_values)
    a = np.minimum(np.maximum.accumulate(p_values[order] * (m - np.arange(m))), 1)
    return a[order]


# %% interpretability.holm
# mistake: one off, m - rank with ranks from 1
def holm(p_values):
    m = len(p_values)
    out = np.zeros(m)
    last = 0.0
    for rank, i in enumerate(np.argsort(p_values), start=1):
        last = max(last, (m - rank) * p_values[i])
        out[i] = min(last, 1.0)
    return out


# %% interpretability.holm
# mistake: cut at 1 before the maximum, and minimum from the end (Hochberg)
def holm(p_values):
    m = len(p_values)
    order = np.argsort(p_values)
    a = np.minimum(p_values[order] * (m - np.arange(m)), 1)
    a = np.minimum.accumulate(a[::-1])[::-1]
    out = np.empty(m)
    out[order] = a
    return out


# %% interpretability.holm
# mistake: significant at 5 %
def holm(p_values):
    m = len(p_values)
    order = np.argsort(p_values)
    reject = np.zeros(m, bool)
    for rank, i in enumerate(order):
        if p_values[i] > 0.05 / (m - rank):
            break
        reject[i] = True
    return reject
