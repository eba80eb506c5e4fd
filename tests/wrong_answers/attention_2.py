# %% attention.softmax
# mistake: no maximum subtracted before exp, so large scores overflow to inf and give NaN
def softmax(scores):
    exp = np.exp(scores)
    return exp / exp.sum(axis=-1, keepdims=True)


# %% attention.softmax
# mistake: subtracts the maximum of the whole array, not of each row, so a row far below underflows to 0/0
def softmax(scores):
    exp = np.exp(scores - np.max(scores))
    return exp / np.sum(exp, axis=-1, keepdims=True)


# %% attention.scaled_dot_product
# mistake: hides keys by zeroing their weights after the softmax, so the others no longer sum to 1
def scaled_dot_product_attention(query, key, value, mask=None):
    d = query.shape[-1]
    scores = query @ np.swapaxes(key, -1, -2) / np.sqrt(d)
    scores = scores - scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    if mask is not None:
        weights = weights * mask
    return weights @ value


# %% attention.scaled_dot_product
# mistake: takes True for hidden (as in the TensorFlow tutorial), so it hides what may be seen
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = np.matmul(query, np.swapaxes(key, -1, -2)) / np.sqrt(key.shape[-1])
    if mask is not None:
        scores = scores + mask * -1e9
    exp = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    weights = exp / np.sum(exp, axis=-1, keepdims=True)
    return np.matmul(weights, value)


# %% attention.scaled_dot_product
# mistake: subtracts the row maximum before hiding, so a large hidden score makes all the others underflow (0/0)
import math


def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ np.swapaxes(key, -1, -2) / math.sqrt(query.shape[-1])
    exp = np.exp(scores - scores.max(axis=-1, keepdims=True))
    if mask is not None:
        exp = np.where(mask, exp, 0)
    return exp / exp.sum(axis=-1, keepdims=True) @ value


# %% attention.causal_mask
# mistake: numbers instead of booleans
def causal_mask(length):
    return np.tril(np.ones((length, length)))


# %% attention.causal_mask
# mistake: True where the key must not be seen (later than the query)
def causal_mask(length):
    return np.triu(np.ones((length, length), dtype=bool), k=1)


# %% attention.split_heads
# mistake: reshapes directly to (heads, length, depth), so tokens and channels get mixed up
def split_heads(x, num_heads):
    *lead, length, width = x.shape
    return x.reshape(*lead, num_heads, length, width // num_heads)


# %% attention.split_heads
# mistake: puts the axis of the heads first of all, before the leading axes
def split_heads(x, num_heads):
    return np.stack(np.split(x, num_heads, axis=-1))


# %% attention.join_heads
# mistake: reshapes without moving the heads behind the length first
def join_heads(x):
    *lead, num_heads, length, depth = x.shape
    return x.reshape(*lead, length, num_heads * depth)


# %% attention.join_heads
# mistake: concatenates along the first axis of the array, which is the heads only if there are no leading axes
def join_heads(x):
    return np.concatenate(x, axis=-1)


# %% attention.sinusoidal_positions
# mistake: uses the channel number as i, so 2i/d is twice too large and sine and cosine of a pair differ in frequency
def sinusoidal_positions(length, depth):
    result = np.zeros((length, depth))
    for p in range(length):
        for i in range(depth):
            angle = p / 10000 ** (2 * i / depth)
            result[p, i] = np.sin(angle) if i % 2 == 0 else np.cos(angle)
    return result


# %% attention.sinusoidal_positions
# mistake: all sines first, then all cosines, instead of taking turns
def sinusoidal_positions(length, depth):
    i = np.arange((depth + 1) // 2)
    angles = np.arange(length)[:, None] / 10000 ** (2 * i / depth)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :depth]


# %% attention.sinusoidal_positions
# mistake: the cosine channel uses its own number (2i+1)/d in the exponent, not that of its sine
def sinusoidal_positions(length, depth):
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(depth) / depth)
    angles[:, 0::2] = np.sin(angles[:, 0::2])
    angles[:, 1::2] = np.cos(angles[:, 1::2])
    return angles


# %% attention.gradients
# mistake: forgets the factor 1/sqrt(d) on the way back to query and key
def attention_gradients(query, key, value, upstream):
    d = query.shape[-1]
    scores = query @ key.T / np.sqrt(d)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    w = e / e.sum(axis=-1, keepdims=True)
    d_value = w.T @ upstream
    d_w = upstream @ value.T
    d_s = w * (d_w - (d_w * w).sum(axis=-1, keepdims=True))
    return d_s @ key, d_s.T @ query, d_value


# %% attention.gradients
# mistake: takes only the diagonal of the softmax's derivative, p(1-p), as for a sigmoid
def attention_gradients(query, key, value, upstream):
    root = np.sqrt(query.shape[-1])
    scores = query @ key.T / root
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = e / e.sum(axis=1, keepdims=True)
    value_gradient = weights.T @ upstream
    d_weights = upstream @ value.T
    d_scores = d_weights * weights * (1 - weights)
    return d_scores @ key / root, d_scores.T @ query / root, value_gradient


# %% attention.gradients
# mistake: in the softmax's sum the weights are left out: subtracts the plain sum of dW
def attention_gradients(query, key, value, upstream):
    root = np.sqrt(query.shape[-1])
    scores = query @ key.T / root
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = e / e.sum(axis=1, keepdims=True)
    d_weights = upstream @ value.T
    d_scores = weights * (d_weights - d_weights.sum(axis=1, keepdims=True)) / root
    return d_scores @ key, d_scores.T @ query, weights.T @ upstream


# %% attention.multiplications
# mistake: counts only three projections (query, key, value), not the output
def multiplications(length, depth, projections=False):
    total = 2 * length * length * depth
    if projections:
        total += 3 * length * depth * depth
    return total


# %% attention.multiplications
# mistake: counts the weights of the projections, not their multiplications: forgets the length
def multiplications(length, depth, projections=False):
    total = 2 * length**2 * depth
    if projections:
        total += 4 * depth**2
    return total
