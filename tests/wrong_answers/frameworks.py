# Written with the questions, by their author: only people who have not seen them can find what he missed.

# %% frameworks.norm_then_gelu
# mistake: one epsilon for all, that of PyTorch
def norm_then_gelu(x, scale, offset, framework):
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * scale + offset
    if framework == "jax":
        return 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    return 0.5 * y * (1 + np.vectorize(math.erf)(y / np.sqrt(2)))


# %% frameworks.norm_then_gelu
# mistake: epsilon added to the standard deviation
def norm_then_gelu(x, scale, offset, framework):
    eps = {"keras": 1e-3, "torch": 1e-5, "jax": 1e-6, "paddle": 1e-5}[framework]
    y = (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + eps) * scale + offset
    if framework == "jax":
        return 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    return 0.5 * y * (1 + np.vectorize(math.erf)(y / np.sqrt(2)))


# %% frameworks.norm_then_gelu
# mistake: tanh for all
def norm_then_gelu(x, scale, offset, framework):
    eps = {"keras": 1e-3, "torch": 1e-5, "jax": 1e-6, "paddle": 1e-5}[framework]
    m = np.mean(x, axis=-1, keepdims=True)
    v = np.mean((x - m) ** 2, axis=-1, keepdims=True)
    y = (x - m) / np.sqrt(v + eps) * scale + offset
    return 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))


# %% frameworks.norm_then_gelu
# mistake: divides by width - 1
def norm_then_gelu(x, scale, offset, framework):
    eps = {"keras": 1e-3, "torch": 1e-5, "jax": 1e-6, "paddle": 1e-5}[framework]
    m = x.mean(-1, keepdims=True)
    v = ((x - m) ** 2).sum(-1, keepdims=True) / (x.shape[-1] - 1)
    y = (x - m) / np.sqrt(v + eps) * scale + offset
    if framework == "jax":
        return 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    return 0.5 * y * (1 + np.vectorize(math.erf)(y / np.sqrt(2)))


# %% frameworks.norm_then_gelu
# mistake: statistics over the whole array
def norm_then_gelu(x, scale, offset, framework):
    eps = {"keras": 1e-3, "torch": 1e-5, "jax": 1e-6, "paddle": 1e-5}[framework]
    y = (x - x.mean()) / np.sqrt(x.var() + eps) * scale + offset
    if framework == "jax":
        return 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    return 0.5 * y * (1 + np.vectorize(math.erf)(y / np.sqrt(2)))


# %% frameworks.norm_then_gelu
# mistake: offset before scale
def norm_then_gelu(x, scale, offset, framework):
    eps = {"keras": 1e-3, "torch": 1e-5, "jax": 1e-6, "paddle": 1e-5}[framework]
    y = ((x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) + offset) * scale
    if framework == "jax":
        return 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    return 0.5 * y * (1 + np.vectorize(math.erf)(y / np.sqrt(2)))


# %% frameworks.norm_then_gelu
# mistake: erf without the root of two
def norm_then_gelu(x, scale, offset, framework):
    eps = {"keras": 1e-3, "torch": 1e-5, "jax": 1e-6, "paddle": 1e-5}[framework]
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * scale + offset
    if framework == "jax":
        return 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    return 0.5 * y * (1 + np.vectorize(math.erf)(y))


# %% frameworks.attention_to_torch
# mistake: reshape only
def attention_to_torch(query, key, value, biases, output):
    d = query.shape[0]
    w = np.concatenate([k.reshape(d, d) for k in (query, key, value)])
    return w, biases.reshape(-1), output.reshape(d, d)


# %% frameworks.attention_to_torch
# mistake: the output is not transposed
def attention_to_torch(query, key, value, biases, output):
    d = query.shape[0]
    w = np.concatenate([k.reshape(d, d).T for k in (query, key, value)])
    return w, biases.reshape(-1), output.reshape(d, d)


# %% frameworks.attention_to_torch
# mistake: .T of all three axes
def attention_to_torch(query, key, value, biases, output):
    d = query.shape[0]
    w = np.concatenate([k.T.reshape(d, d) for k in (query, key, value)])
    return w, biases.reshape(-1), output.reshape(d, d).T


# %% frameworks.attention_to_torch
# mistake: heads outermost
def attention_to_torch(query, key, value, biases, output):
    d, heads, size = query.shape
    rows, flat = [], []
    for h in range(heads):
        for kernel, bias in zip((query, key, value), biases):
            rows.append(kernel[:, h, :].T)
            flat.append(bias[h])
    return np.concatenate(rows), np.concatenate(flat), output.reshape(d, d).T


# %% frameworks.attention_to_torch
# mistake: key before query
def attention_to_torch(query, key, value, biases, output):
    d = query.shape[0]
    w = np.concatenate([k.reshape(d, d).T for k in (key, query, value)])
    return w, biases[[1, 0, 2]].reshape(-1), output.reshape(d, d).T


# %% frameworks.attention_to_torch
# mistake: side by side
def attention_to_torch(query, key, value, biases, output):
    d = query.shape[0]
    w = np.hstack([k.reshape(d, d).T for k in (query, key, value)])
    return w, biases.reshape(-1), output.reshape(d, d).T


# %% frameworks.attention_to_torch
# mistake: biases in three rows
def attention_to_torch(query, key, value, biases, output):
    d = query.shape[0]
    w = np.concatenate([k.reshape(d, d).T for k in (query, key, value)])
    return w, biases.reshape(3, d), output.reshape(d, d).T


# %% frameworks.load_report
# mistake: only the first rule that fits
def load_report(source, target, rules):
    moved = {}
    for name, shape in source.items():
        for old, new in rules:
            if old in name:
                name = name.replace(old, new)
                break
        moved[name] = shape
    missing = sorted(n for n in target if n not in moved)
    unexpected = sorted(n for n in moved if n not in target)
    return missing, unexpected, sorted(n for n in target if n in moved and moved[n] != target[n])


# %% frameworks.load_report
# mistake: regular expressions
def load_report(source, target, rules):
    import re

    moved = {}
    for name, shape in source.items():
        for old, new in rules:
            name = re.sub(old, new, name)
        moved[name] = shape
    missing = sorted(n for n in target if n not in moved)
    unexpected = sorted(n for n in moved if n not in target)
    return missing, unexpected, sorted(n for n in target if n in moved and moved[n] != target[n])


# %% frameworks.load_report
# mistake: missing and unexpected exchanged
def load_report(source, target, rules):
    moved = {}
    for name, shape in source.items():
        for old, new in rules:
            name = name.replace(old, new)
        moved[name] = shape
    missing = sorted(set(moved) - set(target))
    unexpected = sorted(set(target) - set(moved))
    return missing, unexpected, sorted(n for n in target if n in moved and moved[n] != target[n])


# %% frameworks.load_report
# mistake: in the order of the dicts
def load_report(source, target, rules):
    moved = {}
    for name, shape in source.items():
        for old, new in rules:
            name = name.replace(old, new)
        moved[name] = shape
    missing = [n for n in target if n not in moved]
    unexpected = [n for n in moved if n not in target]
    return missing, unexpected, [n for n in target if n in moved and moved[n] != target[n]]


# %% frameworks.load_report
# mistake: compares numbers of weights
def load_report(source, target, rules):
    moved = {}
    for name, shape in source.items():
        for old, new in rules:
            name = name.replace(old, new)
        moved[name] = shape
    missing = sorted(set(target) - set(moved))
    unexpected = sorted(set(moved) - set(target))
    return missing, unexpected, sorted(
        n for n in target if n in moved and np.prod(moved[n]) != np.prod(target[n])
    )


# %% frameworks.load_report
# mistake: a wrong shape counts as missing, too
def load_report(source, target, rules):
    moved = {}
    for name, shape in source.items():
        for old, new in rules:
            name = name.replace(old, new)
        moved[name] = shape
    missing = sorted(n for n in target if moved.get(n) != target[n])
    unexpected = sorted(set(moved) - set(target))
    return missing, unexpected, sorted(n for n in target if n in moved and moved[n] != target[n])


# %% frameworks.load_report
# mistake: forgets the rules
def load_report(source, target, rules):
    missing = sorted(set(target) - set(source))
    unexpected = sorted(set(source) - set(target))
    return missing, unexpected, sorted(n for n in target if n in source and source[n] != target[n])


# %% frameworks.first_difference
# mistake: NaN passes
def first_difference(ours, theirs, rtol, atol):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a.shape != b.shape or np.any(np.abs(a - b) > atol + rtol * np.abs(b)):
            return i
    return -1


# %% frameworks.first_difference
# mistake: allclose alone: infinity passes
def first_difference(ours, theirs, rtol, atol):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a.shape != b.shape or not np.allclose(a, b, rtol=rtol, atol=atol):
            return i
    return -1


# %% frameworks.first_difference
# mistake: shapes are not compared
def first_difference(ours, theirs, rtol, atol):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if not (np.isfinite(a).all() and np.isfinite(b).all() and np.allclose(a, b, rtol, atol)):
            return i
    return -1


# %% frameworks.first_difference
# mistake: the largest difference
def first_difference(ours, theirs, rtol, atol):
    worst, place = 0, -1
    for i, (a, b) in enumerate(zip(ours, theirs)):
        d = np.abs(a - b).max()
        if (np.abs(a - b) > atol + rtol * np.abs(b)).any() and d > worst:
            worst, place = d, i
    return place


# %% frameworks.first_difference
# mistake: the last one
def first_difference(ours, theirs, rtol, atol):
    place = -1
    for i, (a, b) in enumerate(zip(ours, theirs)):
        ok = a.shape == b.shape and np.isfinite(a).all() and np.isfinite(b).all()
        if not ok or (np.abs(a - b) > atol + rtol * np.abs(b)).any():
            place = i
    return place


# %% frameworks.first_difference
# mistake: no absolute value
def first_difference(ours, theirs, rtol, atol):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
            return i
        if ((a - b) > atol + rtol * np.abs(b)).any():
            return i
    return -1


# %% frameworks.first_difference
# mistake: absolute tolerance only
def first_difference(ours, theirs, rtol, atol):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
            return i
        if np.abs(a - b).max() > atol:
            return i
    return -1


# %% frameworks.adamw_training
# mistake: PyTorch for both
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w, m, v = weights.copy(), 0, 0
    for t in range(1, len(gradients) + 1):
        g = gradients[t - 1]
        w *= 1 - rate * decay
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + epsilon)
    return w


# %% frameworks.adamw_training
# mistake: L2 in the gradient
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w, m, v = weights.copy(), 0, 0
    for t in range(1, len(gradients) + 1):
        g = gradients[t - 1] + decay * w
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        if framework == "torch":
            w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + epsilon)
        else:
            w -= rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + epsilon)
    return w


# %% frameworks.adamw_training
# mistake: decay without the rate
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w, m, v = weights.copy(), 0, 0
    for t in range(1, len(gradients) + 1):
        g = gradients[t - 1]
        w -= decay * w
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        if framework == "torch":
            w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + epsilon)
        else:
            w -= rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + epsilon)
    return w


# %% frameworks.adamw_training
# mistake: steps from 0
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w, m, v = weights.copy(), 0, 0
    for t, g in enumerate(gradients):
        w *= 1 - rate * decay
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        if framework == "torch":
            w -= rate * (m / np.float64(1 - 0.9**t)) / (np.sqrt(v / np.float64(1 - 0.999**t)) + epsilon)
        else:
            w -= rate * np.sqrt(1 - 0.999**t) / np.float64(1 - 0.9**t) * m / (np.sqrt(v) + epsilon)
    return w


# %% frameworks.adamw_training
# mistake: means start anew in each step
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w = weights.copy()
    for t, g in enumerate(gradients, 1):
        m, v = np.zeros_like(w), np.zeros_like(w)
        w *= 1 - rate * decay
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        if framework == "torch":
            w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + epsilon)
        else:
            w -= rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + epsilon)
    return w


# %% frameworks.adamw_training
# mistake: decay after the step
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w, m, v = weights.copy(), 0, 0
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        if framework == "torch":
            w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + epsilon)
        else:
            w -= rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + epsilon)
        w *= 1 - rate * decay
    return w


# %% frameworks.adamw_training
# mistake: no corrections
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w, m, v = weights.copy(), 0, 0
    for g in gradients:
        w *= 1 - rate * decay
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        w -= rate * m / (np.sqrt(v) + epsilon)
    return w


# %% frameworks.adamw_training
# mistake: the learning rate multiplies a corrected m that is corrected again and again
def adamw_training(weights, gradients, rate, decay, epsilon, framework):
    w, m, v = weights.copy(), 0, 0
    for t, g in enumerate(gradients, 1):
        w *= 1 - rate * decay
        m = (0.9 * m + 0.1 * g) / (1 - 0.9**t)
        v = (0.999 * v + 0.001 * g * g) / (1 - 0.999**t)
        w -= rate * m / (np.sqrt(v) + epsilon)
    return w


# %% frameworks.speed_ratios
# mistake: medians divided
def speed_ratios(seconds, warm_up):
    m = np.median(seconds[warm_up:], axis=0)
    return m / m[0]


# %% frameworks.speed_ratios
# mistake: warm-up counted
def speed_ratios(seconds, warm_up):
    return np.median(seconds / seconds[:, [0]], axis=0)


# %% frameworks.speed_ratios
# mistake: mean of the ratios
def speed_ratios(seconds, warm_up):
    s = seconds[warm_up:]
    return (s / s[:, [0]]).mean(axis=0)


# %% frameworks.speed_ratios
# mistake: upside down
def speed_ratios(seconds, warm_up):
    s = seconds[warm_up:]
    return np.median(s[:, [0]] / s, axis=0)


# %% frameworks.speed_ratios
# mistake: the first column is left out
def speed_ratios(seconds, warm_up):
    s = seconds[warm_up:]
    return np.median(s[:, 1:] / s[:, :1], axis=0)


# %% frameworks.speed_ratios
# mistake: leaves out the last rounds
def speed_ratios(seconds, warm_up):
    s = seconds[: len(seconds) - warm_up]
    return np.median(s / s[:, :1], axis=0)


# %% frameworks.speed_ratios
# mistake: column 0 as a row: does not broadcast, or along the wrong axis
def speed_ratios(seconds, warm_up):
    s = seconds[warm_up:]
    return np.median(s.T / s[:, 0], axis=0)
