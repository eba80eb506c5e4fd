# Written with the questions, by their author: only people who have not seen them can find what he missed.

# %% interpretability.attention_rollout
# mistake: only the last layer
def attention_rollout(attention):
    n = attention.shape[-1]
    return 0.5 * attention[-1].mean(axis=0) + 0.5 * np.eye(n)


# %% interpretability.attention_rollout
# mistake: the residual added once at the end
def attention_rollout(attention):
    n = attention.shape[-1]
    result = np.eye(n)
    for layer in attention:
        result = layer.mean(axis=0) @ result
    return 0.5 * result + 0.5 * np.eye(n)


# %% interpretability.attention_rollout
# mistake: the greatest head
def attention_rollout(attention):
    n = attention.shape[-1]
    result = np.eye(n)
    for layer in attention:
        result = (0.5 * layer.max(axis=0) + 0.5 * np.eye(n)) @ result
    return result


# %% interpretability.attention_rollout
# mistake: rows normalised after adding a full identity and the sum of heads
def attention_rollout(attention):
    n = attention.shape[-1]
    result = np.eye(n)
    for layer in attention:
        a = layer.sum(axis=0) + np.eye(n)
        a = a / a.sum(axis=-1, keepdims=True)
        result = a @ result
    return result


# %% interpretability.attention_rollout
# mistake: mean over the wrong axis, a shape error
def attention_rollout(attention):
    n = attention.shape[-1]
    result = np.eye(n)
    for layer in attention:
        result = (0.5 * layer.mean(axis=-1) + 0.5 * np.eye(n)) @ result
    return result


# %% interpretability.integrated_gradients
# mistake: trapezoids
def integrated_gradients(x, baseline, kernel, output, steps):
    a = np.linspace(0, 1, steps + 1)[:, None]
    g = (output * (1 - np.tanh((baseline + a * (x - baseline)) @ kernel) ** 2)) @ kernel.T
    return ((g[1:] + g[:-1]) / 2).mean(axis=0) * (x - baseline)


# %% interpretability.integrated_gradients
# mistake: the output weights are forgotten in the gradient
def integrated_gradients(x, baseline, kernel, output, steps):
    a = ((np.arange(steps) + 0.5) / steps)[:, None]
    h = np.tanh((baseline + a * (x - baseline)) @ kernel)
    return ((1 - h**2) @ kernel.T).mean(axis=0) * (x - baseline)


# %% interpretability.integrated_gradients
# mistake: from the input to the baseline
def integrated_gradients(x, baseline, kernel, output, steps):
    a = ((np.arange(steps) + 0.5) / steps)[:, None]
    h = np.tanh((x + a * (baseline - x)) @ kernel)
    return ((output * (1 - h**2)) @ kernel.T).mean(axis=0) * (baseline - x)


# %% interpretability.integrated_gradients
# mistake: baseline + a * x
def integrated_gradients(x, baseline, kernel, output, steps):
    a = ((np.arange(steps) + 0.5) / steps)[:, None]
    h = np.tanh((baseline + a * x) @ kernel)
    return ((output * (1 - h**2)) @ kernel.T).mean(axis=0) * (x - baseline)


# %% interpretability.integrated_gradients
# mistake: places 1/(steps+1), 2/(steps+1), ...
def integrated_gradients(x, baseline, kernel, output, steps):
    a = (np.arange(1, steps + 1) / (steps + 1))[:, None]
    h = np.tanh((baseline + a * (x - baseline)) @ kernel)
    return ((output * (1 - h**2)) @ kernel.T).mean(axis=0) * (x - baseline)


# %% interpretability.occlusion
# mistake: replaces every token with the same id
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-values[ids[ids > 0]].sum()))

    out = []
    for t in token_ids:
        if t == 0 or t in special_ids:
            out.append(0.0)
        else:
            out.append(p(token_ids) - p(np.where(token_ids == t, mask_id, token_ids)))
    return out


# %% interpretability.occlusion
# mistake: leaves out the first and the last token of the text
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-values[ids[ids > 0]].sum()))

    length = int((token_ids > 0).sum())
    out = np.zeros(len(token_ids))
    for i in range(1, length - 1):
        changed = token_ids.copy()
        changed[i] = mask_id
        out[i] = p(token_ids) - p(changed)
    return out


# %% interpretability.occlusion
# mistake: probability without the word
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-values[ids[ids > 0]].sum()))

    out = np.zeros(len(token_ids))
    for i, t in enumerate(token_ids):
        if t and t not in special_ids:
            changed = token_ids.copy()
            changed[i] = mask_id
            out[i] = p(changed)
    return out


# %% interpretability.occlusion
# mistake: mean instead of sum in the model
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-values[ids[ids > 0]].mean()))

    out = np.zeros(len(token_ids))
    for i, t in enumerate(token_ids):
        if t and t not in special_ids:
            changed = token_ids.copy()
            changed[i] = mask_id
            out[i] = p(token_ids) - p(changed)
    return out


# %% interpretability.occlusion
# mistake: one number per word
def occlusion(token_ids, values, special_ids, mask_id):
    def p(ids):
        return 1 / (1 + np.exp(-values[ids[ids > 0]].sum()))

    out = []
    for i, t in enumerate(token_ids):
        if t and t not in special_ids:
            changed = token_ids.copy()
            changed[i] = mask_id
            out.append(p(token_ids) - p(changed))
    return np.array(out)


# %% interpretability.shapley
# mistake: weight 1/n for each gain
def shapley(worth):
    n = int(np.log2(len(worth)))
    out = np.zeros(n)
    for i in range(n):
        for s in range(2**n):
            if not s >> i & 1:
                out[i] += (worth[s | 1 << i] - worth[s]) / n
    return out


# %% interpretability.shapley
# mistake: shares equally
def shapley(worth):
    n = int(np.log2(len(worth)))
    return np.full(n, (worth[-1] - worth[0]) / n)


# %% interpretability.shapley
# mistake: & and >> mixed up with precedence: checks bit in the wrong place
def shapley(worth):
    n = int(np.log2(len(worth)))
    out = np.zeros(n)
    for i in range(n):
        for s in range(2**n):
            if not s & i:
                k = bin(s).count("1")
                w = math.factorial(k) * math.factorial(max(n - k - 1, 0)) / math.factorial(n)
                out[i] += w * (worth[min(s + 2**i, 2**n - 1)] - worth[s])
    return out


# %% interpretability.shapley
# mistake: worth of sets with the word, not gains
def shapley(worth):
    n = int(np.log2(len(worth)))
    out = np.zeros(n)
    for i in range(n):
        for s in range(2**n):
            if not s >> i & 1:
                k = bin(s).count("1")
                out[i] += math.factorial(k) * math.factorial(n - k - 1) / math.factorial(n) * worth[s | 1 << i]
    return out


# %% interpretability.shapley
# mistake: factorial of a negative number for the whole set
def shapley(worth):
    n = int(np.log2(len(worth)))
    out = np.zeros(n)
    for s in range(2**n):
        k = bin(s).count("1")
        w = math.factorial(k) * math.factorial(n - k - 1) / math.factorial(n)
        for i in range(n):
            if not s >> i & 1:
                out[i] += w * (worth[s | 1 << i] - worth[s])
    return out


# %% interpretability.deletion_area
# mistake: left sum
def deletion_area(attributions, values, bias):
    order = np.argsort(-attributions, kind="stable")
    curve = [1 / (1 + np.exp(-(bias + values[order[k:]].sum()))) for k in range(len(values) + 1)]
    return sum(curve[:-1]) / len(values)


# %% interpretability.deletion_area
# mistake: not through the sigmoid
def deletion_area(attributions, values, bias):
    order = np.argsort(-attributions, kind="stable")
    curve = [bias + values[order[k:]].sum() for k in range(len(values) + 1)]
    return np.trapezoid(curve, dx=1 / len(values))


# %% interpretability.deletion_area
# mistake: removes by value, not by attribution
def deletion_area(attributions, values, bias):
    order = np.argsort(-values, kind="stable")
    curve = [1 / (1 + np.exp(-(bias + values[order[k:]].sum()))) for k in range(len(values) + 1)]
    return np.trapezoid(curve, dx=1 / len(values))


# %% interpretability.deletion_area
# mistake: in the order of the text
def deletion_area(attributions, values, bias):
    curve = [1 / (1 + np.exp(-(bias + values[k:].sum()))) for k in range(len(values) + 1)]
    return np.trapezoid(curve, dx=1 / len(values))


# %% interpretability.deletion_area
# mistake: stops one word before the end
def deletion_area(attributions, values, bias):
    order = np.argsort(-attributions, kind="stable")
    curve = [1 / (1 + np.exp(-(bias + values[order[k:]].sum()))) for k in range(len(values))]
    return np.trapezoid(curve, dx=1 / len(values))


# %% interpretability.selectivity
# mistake: the same predictions for both
def selectivity(token_ids, labels, predicted, control, predicted_control):
    m = token_ids != 0
    return np.mean((predicted == labels)[m]) - np.mean((predicted == control[token_ids])[m])


# %% interpretability.selectivity
# mistake: the number of right words instead of their share
def selectivity(token_ids, labels, predicted, control, predicted_control):
    m = token_ids != 0
    return np.sum((predicted == labels)[m]) - np.sum((predicted_control == control[token_ids])[m])


# %% interpretability.selectivity
# mistake: control labels by position
def selectivity(token_ids, labels, predicted, control, predicted_control):
    m = token_ids != 0
    truth = np.tile(control[: token_ids.shape[1]], (len(token_ids), 1))
    return np.mean((predicted == labels)[m]) - np.mean((predicted_control == truth)[m])


# %% interpretability.selectivity
# mistake: only the accuracy of the task
def selectivity(token_ids, labels, predicted, control, predicted_control):
    return np.mean(predicted[token_ids != 0] == labels[token_ids != 0])


# %% interpretability.holm
# mistake: multiplied in the given order
def holm(p_values):
    m = len(p_values)
    return np.minimum(np.maximum.accumulate(p_values * np.arange(m, 0, -1)), 1)


# %% interpretability.holm
# mistake: argsort as ranks
def holm(p_values):
    m = len(p_values)
    ranks = np.argsort(p_values)
    return np.minimum(p_values * (m - ranks), 1)


# %% interpretability.holm
# mistake: factors grow with the rank
def holm(p_values):
    m = len(p_values)
    order = np.argsort(p_values)
    out = np.empty(m)
    out[order] = np.minimum(np.maximum.accumulate(p_values[order] * np.arange(1, m + 1)), 1)
    return out


# %% interpretability.holm
# mistake: Sidak's form
def holm(p_values):
    m = len(p_values)
    order = np.argsort(p_values)
    out = np.empty(m)
    out[order] = np.maximum.accumulate(1 - (1 - p_values[order]) ** np.arange(m, 0, -1))
    return out
