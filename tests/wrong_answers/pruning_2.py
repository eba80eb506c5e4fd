# %% pruning.magnitude_mask
# mistake: a threshold drops all weights of the limiting magnitude, so with equal ones too many go
def magnitude_mask(weights, sparsity):
    magnitudes = np.abs(weights)
    k = round(sparsity * weights.size)
    threshold = np.sort(magnitudes.ravel())[k - 1]
    return magnitudes > threshold

# %% pruning.magnitude_mask
# mistake: of equal magnitudes the last ones go, because the largest are taken in descending order
def magnitude_mask(weights, sparsity):
    flat = np.abs(weights).ravel()
    keep = flat.size - round(sparsity * flat.size)
    order = np.argsort(-flat, kind="stable")
    mask = np.zeros(flat.size, dtype=bool)
    mask[order[:keep]] = True
    return mask.reshape(weights.shape)

# %% pruning.magnitude_mask
# mistake: argsort without kind="stable", so which of equal magnitudes go is up to chance
def magnitude_mask(weights, sparsity):
    flat = np.abs(weights).ravel()
    mask = np.ones(flat.size, dtype=bool)
    mask[np.argsort(flat)[: round(sparsity * flat.size)]] = False
    return mask.reshape(weights.shape)

# %% pruning.global_masks
# mistake: each array is pruned to the sparsity on its own
def global_masks(weights, sparsity):
    masks = []
    for w in weights:
        w = np.asarray(w)
        k = round(sparsity * w.size)
        order = np.argsort(np.abs(w).ravel(), kind="stable")
        mask = np.ones(w.size, dtype=bool)
        mask[order[:k]] = False
        masks.append(mask.reshape(w.shape))
    return tuple(masks)

# %% pruning.global_masks
# mistake: one common threshold and >=, so of equal magnitudes all stay and too few go
def global_masks(weights, sparsity):
    everything = np.concatenate([np.abs(w).ravel() for w in weights])
    k = round(sparsity * everything.size)
    threshold = np.sort(everything)[k]
    return [np.abs(w) >= threshold for w in weights]

# %% pruning.cubic_sparsity
# mistake: the curve bends the other way: initial + (final - initial) * p ** 3
def cubic_sparsity(step, end, final, begin, initial):
    p = (step - begin) / (end - begin)
    p = min(max(p, 0), 1)
    return initial + (final - initial) * p**3

# %% pruning.cubic_sparsity
# mistake: divides by end instead of end - begin, so there is a jump at end
def cubic_sparsity(step, end, final, begin, initial):
    if step <= begin:
        return initial
    if step >= end:
        return final
    p = (step - begin) / end
    return final + (initial - final) * (1 - p) ** 3

# %% pruning.cubic_sparsity
# mistake: the progress is held at 1 but not at 0, so before begin the sparsity is too small or negative
def cubic_sparsity(step, end, final, begin, initial):
    p = min(1.0, (step - begin) / (end - begin))
    return final + (initial - final) * (1 - p) ** 3

# %% pruning.two_of_four
# mistake: works on the transposed kernel and reshapes back instead of transposing back
def two_of_four(kernel):
    groups = np.abs(kernel.T).reshape(-1, 4)
    order = np.argsort(groups, axis=1, kind="stable")
    mask = np.zeros(groups.shape, dtype=bool)
    np.put_along_axis(mask, order[:, 2:], True, axis=1)
    return mask.reshape(kernel.shape)

# %% pruning.two_of_four
# mistake: of equal magnitudes the first ones stay
def two_of_four(kernel):
    inputs, outputs = kernel.shape
    groups = np.abs(kernel).reshape(inputs // 4, 4, outputs)
    order = np.argsort(-groups, axis=1, kind="stable")
    mask = np.zeros(groups.shape, dtype=bool)
    np.put_along_axis(mask, order[:, :2], True, axis=1)
    return mask.reshape(inputs, outputs)

# %% pruning.two_of_four
# mistake: the groups run along the outputs, four neighbours in a row
def two_of_four(kernel):
    groups = np.abs(kernel).reshape(-1, 4)
    ranks = np.argsort(np.argsort(groups, axis=1, kind="stable"), axis=1)
    return (ranks >= 2).reshape(kernel.shape)

# %% pruning.remove_head
# mistake: takes columns out of the output kernel, too, instead of rows
def remove_head(query, key, value, output, num_heads, head):
    key_dim = query.shape[1] // num_heads
    start, stop = head * key_dim, (head + 1) * key_dim

    def cut(w):
        return np.concatenate([w[:, :start], w[:, stop:]], axis=1)

    return cut(query), cut(key), cut(value), cut(output)

# %% pruning.remove_head
# mistake: key_dim from the width of the inputs (query.shape[0]), as if num_heads * key_dim were the width
def remove_head(query, key, value, output, num_heads, head):
    width = query.shape[0]
    key_dim = width // num_heads
    columns = slice(head * key_dim, (head + 1) * key_dim)
    query, key, value = (np.delete(w, columns, axis=1) for w in (query, key, value))
    return query, key, value, np.delete(output, columns, axis=0)

# %% pruning.rank_for_budget
# mistake: not limited by the lesser side of the kernel
def rank_for_budget(inputs, outputs, parameters):
    return parameters // (inputs + outputs)

# %% pruning.rank_for_budget
# mistake: a budget that is used up exactly is taken for too small: < instead of <=
def rank_for_budget(inputs, outputs, parameters):
    rank = 1
    while (rank + 1) * (inputs + outputs) < parameters and rank < min(inputs, outputs):
        rank += 1
    return rank

# %% pruning.low_rank
# mistake: takes the third result of svd for V and transposes it, but it is V transposed already
def low_rank(kernel, rank):
    u, s, v = np.linalg.svd(kernel)
    return u[:, :rank] * s[:rank], v[:, :rank].T

# %% pruning.low_rank
# mistake: multiplies both factors by the singular values, so the product has their squares
def low_rank(kernel, rank):
    u, s, vt = np.linalg.svd(kernel, full_matrices=False)
    first = u[:, :rank] * s[:rank]
    second = s[:rank, None] * vt[:rank]
    return first, second
