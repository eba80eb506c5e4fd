# %% pruning.magnitude_mask
# mistake: compares with a threshold, so all weights that equal it go and ties drop too many
def magnitude_mask(weights, sparsity):
    magnitudes = np.abs(weights)
    k = round(sparsity * weights.size)
    threshold = np.sort(magnitudes.ravel())[k - 1]
    return magnitudes > threshold


# %% pruning.magnitude_mask
# mistake: forgets the absolute value, large negative weights are dropped first
def magnitude_mask(weights, sparsity):
    count = round(sparsity * weights.size)
    order = np.argsort(weights.ravel(), kind="stable")
    mask = np.ones(weights.size, dtype=bool)
    mask[order[:count]] = False
    return mask.reshape(weights.shape)


# %% pruning.magnitude_mask
# mistake: takes the largest from a descending order, so of equal magnitudes the first stay instead of going
def magnitude_mask(weights, sparsity):
    keep = weights.size - round(sparsity * weights.size)
    order = np.argsort(-np.abs(weights).ravel(), kind="stable")
    mask = np.zeros(weights.size, bool)
    mask[order[:keep]] = True
    return mask.reshape(weights.shape)


# %% pruning.magnitude_mask
# mistake: two: True marks the dropped weights (inverted), and the count is cut off by int() instead of rounded
def magnitude_mask(weights, sparsity):
    flat = np.abs(weights).flatten()
    num_drop = int(sparsity * flat.size)
    mask = np.zeros(flat.shape, dtype=bool)
    for i in np.argsort(flat, kind="stable")[:num_drop]:
        mask[i] = True
    return mask.reshape(weights.shape)


# %% pruning.global_masks
# mistake: each array is pruned on its own, the weights do not compete
def global_masks(weights, sparsity):
    masks = []
    for w in weights:
        w = np.asarray(w)
        k = round(sparsity * w.size)
        order = np.argsort(np.abs(w), axis=None, kind="stable")
        mask = np.ones(w.size, dtype=bool)
        mask[order[:k]] = False
        masks.append(mask.reshape(w.shape))
    return tuple(masks)


# %% pruning.global_masks
# mistake: np.split gets the sizes instead of the positions where to cut, the reshape then raises a ValueError
def global_masks(weights, sparsity):
    flat = np.concatenate([np.abs(w).ravel() for w in weights])
    mask = np.ones(flat.size, dtype=bool)
    mask[np.argsort(flat, kind="stable")[: round(sparsity * flat.size)]] = False
    parts = np.split(mask, [w.size for w in weights][:-1])
    return tuple(part.reshape(w.shape) for part, w in zip(parts, weights))


# %% pruning.global_masks
# mistake: one threshold for all with >=, so of equal magnitudes at the border none is dropped (too few zeros)
def global_masks(weights, sparsity):
    everything = np.sort(np.abs(np.concatenate([np.ravel(w) for w in weights])))
    k = round(sparsity * len(everything))
    threshold = everything[k]
    return tuple(np.abs(w) >= threshold for w in weights)


# %% pruning.global_masks
# mistake: argpartition finds the smallest, but among equal magnitudes not the first ones
def global_masks(weights, sparsity):
    flat = np.concatenate([np.abs(w).ravel() for w in weights])
    k = round(sparsity * flat.size)
    keep = np.ones(flat.size, dtype=bool)
    keep[np.argpartition(flat, k)[:k]] = False
    masks, start = [], 0
    for w in weights:
        masks.append(keep[start : start + w.size].reshape(w.shape))
        start += w.size
    return tuple(masks)


# %% pruning.cubic_sparsity
# mistake: the progress is divided by end instead of end - begin
def cubic_sparsity(step, end, final, begin, initial):
    if step <= begin:
        return initial
    if step >= end:
        return final
    p = (step - begin) / end
    return final + (initial - final) * (1 - p) ** 3


# %% pruning.cubic_sparsity
# mistake: the progress is not kept between 0 and 1, before begin and after end the curve goes on
def cubic_sparsity(step, end, final, begin, initial):
    progress = (step - begin) / (end - begin)
    return final + (initial - final) * (1 - progress) ** 3


# %% pruning.cubic_sparsity
# mistake: before step begin the sparsity is 0 instead of initial
def cubic_sparsity(step, end, final, begin, initial):
    if step < begin:
        return 0.0
    p = min((step - begin) / (end - begin), 1.0)
    return final + (initial - final) * (1 - p) ** 3


# %% pruning.cubic_sparsity
# mistake: grows with p cubed (slow at first) instead of one minus (1 - p) cubed
def cubic_sparsity(step, end, final, begin, initial):
    p = np.clip((step - begin) / (end - begin), 0, 1)
    return initial + (final - initial) * p**3


# %% pruning.two_of_four
# mistake: the groups lie along the outputs (four neighbours of a row) instead of along the inputs
def two_of_four(kernel):
    groups = np.abs(kernel).reshape(-1, 4)
    order = np.argsort(groups, axis=1, kind="stable")
    mask = np.zeros(groups.shape, dtype=bool)
    np.put_along_axis(mask, order[:, 2:], True, axis=1)
    return mask.reshape(kernel.shape)


# %% pruning.two_of_four
# mistake: keeps all that reach the second largest magnitude, so ties keep three or four
def two_of_four(kernel):
    inputs, outputs = kernel.shape
    groups = np.abs(kernel).reshape(inputs // 4, 4, outputs)
    second = np.sort(groups, axis=1)[:, 2:3, :]
    return (groups >= second).reshape(inputs, outputs)


# %% pruning.two_of_four
# mistake: reshapes to (4, inputs / 4, outputs), so a group is four rows far apart instead of neighbours
def two_of_four(kernel):
    inputs, outputs = kernel.shape
    groups = np.abs(kernel).reshape(4, inputs // 4, outputs)
    rank = np.argsort(np.argsort(groups, axis=0, kind="stable"), axis=0)
    return (rank >= 2).reshape(inputs, outputs)


# %% pruning.two_of_four
# mistake: two: forgets the absolute value, and of equal weights the first (upper) ones stay
def two_of_four(kernel):
    mask = np.zeros(kernel.shape, dtype=bool)
    for start in range(0, kernel.shape[0], 4):
        for column in range(kernel.shape[1]):
            group = kernel[start : start + 4, column]
            best = np.argsort(-group, kind="stable")[:2]
            mask[start + best, column] = True
    return mask


# %% pruning.remove_head
# mistake: takes key_dim from the width (query.shape[0]), but num_heads * key_dim may differ from it
def remove_head(query, key, value, output, num_heads, head):
    width = query.shape[0]
    key_dim = width // num_heads
    gone = slice(head * key_dim, (head + 1) * key_dim)
    query, key, value = (np.delete(k, gone, axis=1) for k in (query, key, value))
    return query, key, value, np.delete(output, gone, axis=0)


# %% pruning.remove_head
# mistake: removes columns of the output kernel too, where the head owns rows
def remove_head(query, key, value, output, num_heads, head):
    key_dim = query.shape[1] // num_heads
    result = []
    for kernel in (query, key, value, output):
        left = kernel[:, : head * key_dim]
        right = kernel[:, (head + 1) * key_dim :]
        result.append(np.concatenate([left, right], axis=1))
    return tuple(result)


# %% pruning.remove_head
# mistake: reshapes the columns to (key_dim, num_heads), so every num_heads-th column goes instead of neighbours
def remove_head(query, key, value, output, num_heads, head):
    width, total = query.shape
    key_dim = total // num_heads

    def cut(kernel):
        split = kernel.reshape(width, key_dim, num_heads)
        return np.delete(split, head, axis=2).reshape(width, -1)

    out = output.reshape(key_dim, num_heads, output.shape[1])
    out = np.delete(out, head, axis=1).reshape(-1, output.shape[1])
    return cut(query), cut(key), cut(value), out


# %% pruning.remove_head
# mistake: removes a single column and row, not the key_dim of them that the head owns
def remove_head(query, key, value, output, num_heads, head):
    keep = np.arange(query.shape[1]) != head
    return query[:, keep], key[:, keep], value[:, keep], output[keep, :]


# %% pruning.rank_for_budget
# mistake: no limit by the lesser side
def rank_for_budget(inputs, outputs, parameters):
    return parameters // (inputs + outputs)


# %% pruning.rank_for_budget
# mistake: off by one, returns the first rank that does not fit any more
def rank_for_budget(inputs, outputs, parameters):
    rank = 1
    while rank * inputs + rank * outputs <= parameters:
        rank += 1
    return min(rank, inputs, outputs)


# %% pruning.rank_for_budget
# mistake: two: rounds to the nearest rank, which may exceed the budget, and has no limit by the lesser side
def rank_for_budget(inputs, outputs, parameters):
    return max(1, round(parameters / (inputs + outputs)))


# %% pruning.rank_for_budget
# mistake: the range ends before the lesser side, so the full rank is never returned
def rank_for_budget(inputs, outputs, parameters):
    best = 1
    for rank in range(1, min(inputs, outputs)):
        if inputs * rank + rank * outputs <= parameters:
            best = rank
    return best


# %% pruning.low_rank
# mistake: treats NumPy's third result as V; it is already transposed
def low_rank(kernel, rank):
    u, s, v = np.linalg.svd(kernel)
    first = u[:, :rank] * s[:rank]
    second = v[:, :rank].T
    return first, second


# %% pruning.low_rank
# mistake: leaves the singular values out
def low_rank(kernel, rank):
    u, s, vt = np.linalg.svd(kernel, full_matrices=False)
    return u[:, :rank], vt[:rank, :]


# %% pruning.low_rank
# mistake: multiplies the singular values into both factors (no root), so they count twice
def low_rank(kernel, rank):
    U, S, Vt = np.linalg.svd(kernel, full_matrices=False)
    sigma = np.diag(S[:rank])
    first = U[:, :rank] @ sigma
    second = sigma @ Vt[:rank]
    return first, second


# %% pruning.low_rank
# mistake: multiplies the full U by the singular values before cutting; a kernel with more inputs than outputs raises a ValueError
def low_rank(kernel, rank):
    u, s, vt = np.linalg.svd(kernel)
    us = u @ np.diag(s)
    return us[:, :rank], vt[:rank, :]
