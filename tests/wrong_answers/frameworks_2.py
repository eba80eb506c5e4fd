# Written with the questions, by their author: only people who have not seen them can find what he missed.

# %% frameworks.norm_then_gelu
# mistake: JAX's epsilon forgotten, "keras" or 1e-5
def norm_then_gelu(x, scale, offset, framework):
    eps = 1e-3 if framework == "keras" else 1e-5
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * scale + offset
    if framework == "jax":
        return 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    return 0.5 * y * (1 + np.vectorize(math.erf)(y / np.sqrt(2)))


# %% frameworks.norm_then_gelu
# mistake: no erf at hand: tanh everywhere but for torch
def norm_then_gelu(x, scale, offset, framework):
    eps = {"keras": 1e-3, "torch": 1e-5, "jax": 1e-6, "paddle": 1e-5}[framework]
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * scale + offset
    if framework != "torch":
        return 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    return 0.5 * y * (1 + np.vectorize(math.erf)(y / np.sqrt(2)))


# %% frameworks.norm_then_gelu
# mistake: math.erf of an array
def norm_then_gelu(x, scale, offset, framework):
    eps = {"keras": 1e-3, "torch": 1e-5, "jax": 1e-6, "paddle": 1e-5}[framework]
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * scale + offset
    if framework == "jax":
        return 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    return 0.5 * y * (1 + math.erf(y / np.sqrt(2)))


# %% frameworks.norm_then_gelu
# mistake: divides by the variance
def norm_then_gelu(x, scale, offset, framework):
    eps = {"keras": 1e-3, "torch": 1e-5, "jax": 1e-6, "paddle": 1e-5}[framework]
    y = (x - x.mean(-1, keepdims=True)) / (x.var(-1, keepdims=True) + eps) * scale + offset
    if framework == "jax":
        return 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    return 0.5 * y * (1 + np.vectorize(math.erf)(y / np.sqrt(2)))


# %% frameworks.norm_then_gelu
# mistake: the GELU of x, then the norm
def norm_then_gelu(x, scale, offset, framework):
    eps = {"keras": 1e-3, "torch": 1e-5, "jax": 1e-6, "paddle": 1e-5}[framework]
    if framework == "jax":
        x = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    else:
        x = 0.5 * x * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * scale + offset


# %% frameworks.attention_to_torch
# mistake: the joined matrix is transposed as a whole after stacking side by side untransposed: right; but not for out
def attention_to_torch(query, key, value, biases, output):
    d = query.shape[0]
    w = np.concatenate([k.reshape(d, -1) for k in (query, key, value)], axis=1).T
    return w, biases.ravel(), output.reshape(d, d)


# %% frameworks.attention_to_torch
# mistake: stacked, then reshaped from (3, d, h, s) without a transpose
def attention_to_torch(query, key, value, biases, output):
    d = query.shape[0]
    w = np.stack([query, key, value]).reshape(3 * d, d)
    return w, biases.reshape(-1), output.reshape(d, d).T


# %% frameworks.attention_to_torch
# mistake: sizes before heads everywhere
def attention_to_torch(query, key, value, biases, output):
    d = query.shape[0]
    w = np.concatenate([k.transpose(2, 1, 0).reshape(d, d) for k in (query, key, value)])
    b = np.concatenate([b.T.ravel() for b in biases])
    return w, b, output.transpose(2, 1, 0).reshape(d, d)


# %% frameworks.attention_to_torch
# mistake: biases by heads
def attention_to_torch(query, key, value, biases, output):
    d = query.shape[0]
    w = np.concatenate([k.reshape(d, d).T for k in (query, key, value)])
    return w, biases.transpose(1, 0, 2).reshape(-1), output.reshape(d, d).T


# %% frameworks.load_report
# mistake: no sorting, and sets
def load_report(source, target, rules):
    moved = {}
    for name, shape in source.items():
        for old, new in rules:
            name = name.replace(old, new)
        moved[name] = shape
    both = [n for n in moved if n in target and moved[n] != target[n]]
    return [n for n in target if n not in moved], [n for n in moved if n not in target], both


# %% frameworks.load_report
# mistake: returns the unexpected ones by their old names
def load_report(source, target, rules):
    moved = {}
    for name, shape in source.items():
        new_name = name
        for old, new in rules:
            new_name = new_name.replace(old, new)
        moved[new_name] = (name, shape)
    missing = sorted(set(target) - set(moved))
    unexpected = sorted(moved[n][0] for n in moved if n not in target)
    return missing, unexpected, sorted(n for n in moved if n in target and moved[n][1] != target[n])


# %% frameworks.load_report
# mistake: rules on the target
def load_report(source, target, rules):
    def rename(name):
        for old, new in rules:
            name = name.replace(new, old)
        return name

    target = {rename(n): s for n, s in target.items()}
    missing = sorted(set(target) - set(source))
    unexpected = sorted(set(source) - set(target))
    return missing, unexpected, sorted(n for n in source if n in target and source[n] != target[n])


# %% frameworks.load_report
# mistake: each rule is applied to the original name
def load_report(source, target, rules):
    moved = {}
    for name, shape in source.items():
        new_name = name
        for old, new in rules:
            if old in name:
                new_name = name.replace(old, new)
        moved[new_name] = shape
    missing = sorted(set(target) - set(moved))
    unexpected = sorted(set(moved) - set(target))
    return missing, unexpected, sorted(n for n in moved if n in target and moved[n] != target[n])


# %% frameworks.first_difference
# mistake: 1-based
def first_difference(ours, theirs, rtol, atol):
    for i, (a, b) in enumerate(zip(ours, theirs), 1):
        ok = a.shape == b.shape and np.isfinite(a).all() and np.isfinite(b).all()
        if not ok or (np.abs(a - b) > atol + rtol * np.abs(b)).any():
            return i
    return -1


# %% frameworks.first_difference
# mistake: the mean difference
def first_difference(ours, theirs, rtol, atol):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a.shape != b.shape or not np.isfinite(a).all() or not np.isfinite(b).all():
            return i
        if np.mean(np.abs(a - b)) > atol + rtol * np.mean(np.abs(b)):
            return i
    return -1


# %% frameworks.first_difference
# mistake: None where nothing differs
def first_difference(ours, theirs, rtol, atol):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        ok = a.shape == b.shape and np.isfinite(a).all() and np.isfinite(b).all()
        if not ok or (np.abs(a - b) > atol + rtol * np.abs(b)).any():
            return i


# %% frameworks.first_difference
# mistake: relative only
def first_difference(ours, theirs, rtol, atol):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a.shape != b.shape or not np.isfinite(a).all() or not np.isfinite(b).all():
            return i
        if (np.abs(a - b) / np.abs(b) > rtol).any():
            return i
    return -1


# %% frameworks.first_difference
# mistake: a boolean per layer
def first_difference(ours, theirs, rtol, atol):
    return [
        a.shape != b.shape or not np.isfinite(a + b).all() or not np.allclose(a, b, rtol, atol)
        for a, b in zip(ours, theirs)
    ]


# %% frameworks.adamw_training
# mistake: Keras for both
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w, m, v = weights.copy(), 0, 0
    for t, g in enumerate(gradients, 1):
        w *= 1 - rate * decay
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        w -= rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + epsilon)
    return w


# %% frameworks.adamw_training
# mistake: epsilon in the root, PyTorch and Keras
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w, m, v = weights.copy(), 0, 0
    for t, g in enumerate(gradients, 1):
        w *= 1 - rate * decay
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        if framework == "torch":
            w -= rate * (m / (1 - 0.9**t)) / np.sqrt(v / (1 - 0.999**t) + epsilon)
        else:
            w -= rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / np.sqrt(v + epsilon)
    return w


# %% frameworks.adamw_training
# mistake: t is not raised
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w, m, v, t = weights.copy(), 0, 0, 1
    for g in gradients:
        w *= 1 - rate * decay
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        if framework == "torch":
            w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + epsilon)
        else:
            w -= rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + epsilon)
    return w


# %% frameworks.adamw_training
# mistake: v of gradients, not of squares
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w, m, v = weights.copy(), 0, 0
    for t, g in enumerate(gradients, 1):
        w *= 1 - rate * decay
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * np.abs(g)
        if framework == "torch":
            w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + epsilon)
        else:
            w -= rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + epsilon)
    return w


# %% frameworks.adamw_training
# mistake: decay of the first weights in every step
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w, m, v = weights.copy(), 0, 0
    for t, g in enumerate(gradients, 1):
        w -= rate * decay * weights
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        if framework == "torch":
            w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + epsilon)
        else:
            w -= rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + epsilon)
    return w


# %% frameworks.speed_ratios
# mistake: the best of each
def speed_ratios(seconds, warm_up):
    best = seconds[warm_up:].min(axis=0)
    return best / best[0]


# %% frameworks.speed_ratios
# mistake: seconds, not ratios
def speed_ratios(seconds, warm_up):
    return np.median(seconds[warm_up:], axis=0)


# %% frameworks.speed_ratios
# mistake: sums
def speed_ratios(seconds, warm_up):
    total = seconds[warm_up:].sum(axis=0)
    return total / total[0]


# %% frameworks.speed_ratios
# mistake: the upper middle of an even number
def speed_ratios(seconds, warm_up):
    s = seconds[warm_up:]
    r = np.sort(s / s[:, :1], axis=0)
    return r[len(r) // 2]


# %% frameworks.speed_ratios
# mistake: warm-up columns
def speed_ratios(seconds, warm_up):
    s = seconds[:, warm_up:]
    return np.median(s / s[:, :1], axis=0)
