# %% attention.softmax
# mistake: exponentiates the raw scores, so that scores near 1000 overflow to inf / inf = NaN
def softmax(scores):
    e = np.exp(scores)
    return e / np.sum(e, axis=-1, keepdims=True)


# %% attention.softmax
# mistake: subtracts the maximum of the whole array, so that rows far below it become 0 / 0 = NaN
def softmax(scores):
    shifted = scores - np.max(scores)
    exps = np.exp(shifted)
    return exps / exps.sum(axis=-1, keepdims=True)


# %% attention.softmax
# mistake: the sum lacks keepdims, so it is divided along the wrong axis, or raises if the array is not square
def softmax(scores):
    scores = np.asarray(scores, dtype=float)
    top = scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores - top)
    return weights / weights.sum(axis=-1)


# %% attention.softmax
# mistake: clips the scores against overflow, so that all scores above 500 become equal
def softmax(scores):
    scores = np.clip(scores, -500, 500)
    exponentials = np.exp(scores)
    total = exponentials.sum(-1)[..., None]
    return exponentials / total


# %% attention.scaled_dot_product
# mistake: divides by d instead of by its root
def scaled_dot_product_attention(query, key, value, mask=None):
    d = query.shape[-1]
    scores = np.einsum("...qd,...kd->...qk", query, key) / d
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    scores = scores - scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return np.einsum("...qk,...kv->...qv", weights, value)


# %% attention.scaled_dot_product
# mistake: masks after the softmax and does not normalise again, so the weights do not sum to 1
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ np.swapaxes(key, -1, -2) / np.sqrt(query.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    if mask is not None:
        weights = weights * mask
    return weights @ value


# %% attention.scaled_dot_product
# mistake: sets hidden scores to 0 by a product with the mask instead of to minus infinity
def scaled_dot_product_attention(query, key, value, mask=None):
    depth = key.shape[-1]
    scores = np.matmul(query, np.moveaxis(key, -1, -2)) / depth**0.5
    if mask is not None:
        scores = scores * mask
    e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    return np.matmul(p, value)


# %% attention.scaled_dot_product
# mistake: two: reads the mask the other way round (hides the True places), and forgets the root of d
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.swapaxes(-2, -1)
    if mask is not None:
        scores = np.where(mask, -1e9, scores)
    exp = np.exp(scores - scores.max(-1, keepdims=True))
    return (exp / exp.sum(-1, keepdims=True)) @ value


# %% attention.causal_mask
# mistake: takes the upper triangle: each token sees itself and what comes after it
def causal_mask(length):
    return np.triu(np.ones((length, length), dtype=bool))


# %% attention.causal_mask
# mistake: keeps only strictly earlier keys, so that no token sees itself
def causal_mask(length):
    positions = np.arange(length)
    return positions[None, :] < positions[:, None]


# %% attention.causal_mask
# mistake: returns the numbers to add to the scores (0 and -inf), not True and False
def causal_mask(length):
    mask = np.zeros((length, length))
    for query in range(length):
        for key in range(length):
            if key > query:
                mask[query, key] = -np.inf
    return mask


# %% attention.causal_mask
# mistake: the diagonal is off by one: each token sees also the next one
def causal_mask(length):
    return np.tril(np.ones((length, length)), k=1).astype(bool)


# %% attention.split_heads
# mistake: reshapes straight to the final shape, which mixes tokens instead of cutting channels
def split_heads(x, num_heads):
    *lead, length, width = x.shape
    return x.reshape(*lead, num_heads, length, width // num_heads)


# %% attention.split_heads
# mistake: takes exactly one leading axis for granted; raises with none or two
def split_heads(x, num_heads):
    batch, length, channels = x.shape
    depth = channels // num_heads
    x = x.reshape(batch, length, num_heads, depth)
    return x.transpose(0, 2, 1, 3)


# %% attention.split_heads
# mistake: stacks the heads at the very front, before the leading axes
def split_heads(x, num_heads):
    heads = np.split(x, num_heads, axis=-1)
    return np.stack(heads, axis=0)


# %% attention.split_heads
# mistake: deals the channels out in turn: head 0 has channels 0, h, 2h, ... instead of the first depth ones
def split_heads(x, num_heads):
    heads = []
    for h in range(num_heads):
        heads.append(x[..., h::num_heads])
    return np.stack(heads, axis=-3)


# %% attention.join_heads
# mistake: reshapes without moving the axis of the heads behind the tokens first
def join_heads(x):
    *lead, num_heads, length, depth = x.shape
    return x.reshape(*lead, length, num_heads * depth)


# %% attention.join_heads
# mistake: the transpose is written for four axes; raises for any other number
def join_heads(x):
    x = np.transpose(x, (0, 2, 1, 3))
    return x.reshape(x.shape[0], x.shape[1], -1)


# %% attention.join_heads
# mistake: concatenates along the tokens instead of along the channels
def join_heads(x):
    heads = [x[..., h, :, :] for h in range(x.shape[-3])]
    return np.concatenate(heads, axis=-2)


# %% attention.join_heads
# mistake: moves the heads to the very end, so that the channels of the heads take turns
def join_heads(x):
    moved = np.moveaxis(x, -3, -1)
    return moved.reshape(moved.shape[:-2] + (-1,))


# %% attention.sinusoidal_positions
# mistake: the exponent uses the number of the channel, so a cosine has another frequency than its sine
def sinusoidal_positions(length, depth):
    out = np.zeros((length, depth))
    for p in range(length):
        for c in range(depth):
            angle = p / 10000 ** (c / depth)
            out[p, c] = np.sin(angle) if c % 2 == 0 else np.cos(angle)
    return out


# %% attention.sinusoidal_positions
# mistake: raises for an odd depth, where there is one cosine less than sines
def sinusoidal_positions(length, depth):
    positions = np.arange(length)[:, None]
    angles = positions / 10000 ** (np.arange(0, depth, 2) / depth)
    table = np.zeros((length, depth))
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles)
    return table


# %% attention.sinusoidal_positions
# mistake: writes all sines first and then all cosines, instead of in turn
def sinusoidal_positions(length, depth):
    i = np.arange((depth + 1) // 2)
    angles = np.outer(np.arange(length), 1 / 10000 ** (2 * i / depth))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :depth]


# %% attention.sinusoidal_positions
# mistake: two: counts the positions from 1, and the exponent is i / d instead of 2i / d
def sinusoidal_positions(length, depth):
    result = np.empty((length, depth))
    for row, p in enumerate(range(1, length + 1)):
        for i in range(depth // 2 + depth % 2):
            x = p / (10000 ** (i / depth))
            result[row, 2 * i] = np.sin(x)
            if 2 * i + 1 < depth:
                result[row, 2 * i + 1] = np.cos(x)
    return result


# %% attention.gradients
# mistake: forgets the scale 1 / sqrt(d) on the way back
def attention_gradients(query, key, value, upstream):
    d = query.shape[-1]
    S = query @ key.T / np.sqrt(d)
    W = np.exp(S - S.max(axis=1, keepdims=True))
    W = W / W.sum(axis=1, keepdims=True)
    dV = W.T @ upstream
    dW = upstream @ value.T
    dS = W * (dW - (dW * W).sum(axis=1, keepdims=True))
    dQ = dS @ key
    dK = dS.T @ query
    return dQ, dK, dV


# %% attention.gradients
# mistake: uses only the diagonal of the softmax's Jacobian, p (1 - p)
def attention_gradients(query, key, value, upstream):
    scale = 1 / np.sqrt(query.shape[1])
    scores = np.einsum("qd,kd->qk", query, key) * scale
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    d_value = np.einsum("qk,qv->kv", weights, upstream)
    d_weights = np.einsum("qv,kv->qk", upstream, value)
    d_scores = d_weights * weights * (1 - weights) * scale
    d_query = np.einsum("qk,kd->qd", d_scores, key)
    d_key = np.einsum("qk,qd->kd", d_scores, query)
    return d_query, d_key, d_value


# %% attention.gradients
# mistake: the sum in the softmax's gradient runs over the queries (axis 0) instead of the keys
def attention_gradients(query, key, value, upstream):
    root = query.shape[-1] ** 0.5
    s = query @ key.T / root
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    w = e / e.sum(axis=-1, keepdims=True)
    dw = upstream @ value.T
    ds = w * (dw - np.sum(dw * w, axis=0, keepdims=True))
    return ds @ key / root, ds.T @ query / root, w.T @ upstream


# %% attention.gradients
# mistake: does not transpose dS for the key; raises if there are not as many queries as keys
def attention_gradients(query, key, value, upstream):
    d = query.shape[-1]
    scores = query @ key.T / np.sqrt(d)
    weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    weights = weights / np.sum(weights, axis=-1, keepdims=True)
    grad_weights = upstream @ value.T
    grad_scores = np.zeros_like(scores)
    for row in range(len(scores)):
        p = weights[row]
        jacobian = np.diag(p) - np.outer(p, p)
        grad_scores[row] = jacobian @ grad_weights[row]
    grad_scores = grad_scores / np.sqrt(d)
    return grad_scores @ key, grad_scores @ query, weights.T @ upstream


# %% attention.multiplications
# mistake: counts the scores only, not the weighted average
def multiplications(length, depth, projections=False):
    count = length * length * depth
    if projections:
        count += 4 * length * depth * depth
    return count


# %% attention.multiplications
# mistake: counts three projections and forgets that of the output
def multiplications(length, depth, projections=False):
    total = 2 * length**2 * depth
    if projections:
        total += 3 * length * depth**2
    return total


# %% attention.multiplications
# mistake: takes a projection to cost depth * depth, whatever the number of tokens
def multiplications(length, depth, projections=False):
    scores = length * depth * length
    average = length * length * depth
    extra = 4 * depth * depth if projections else 0
    return scores + average + extra


# %% attention.multiplications
# mistake: with projections=True returns the projections alone instead of adding them
def multiplications(length, depth, projections=False):
    if projections:
        return 4 * length * depth * depth
    return 2 * length * length * depth
