# %% transformer.layer_norm
# mistake: adds epsilon to the standard deviation, not to the variance under the root
def layer_norm(x, gamma, beta, epsilon=1e-12):
    mean = x.mean(axis=-1, keepdims=True)
    std = x.std(axis=-1, keepdims=True)
    return gamma * (x - mean) / (std + epsilon) + beta


# %% transformer.layer_norm
# mistake: mean and variance of the whole array, not of each vector
def layer_norm(x, gamma, beta, epsilon=1e-12):
    mu = np.mean(x)
    var = np.var(x)
    return gamma * (x - mu) / np.sqrt(var + epsilon) + beta


# %% transformer.segment_ids
# mistake: counts [SEP] including the token itself, so that the first [SEP] is already in segment 1
def segment_ids(token_ids, end_id, pad_id=0):
    segments = np.minimum(np.cumsum(token_ids == end_id, axis=-1), 1)
    return np.where(token_ids == pad_id, 0, segments)


# %% transformer.segment_ids
# mistake: does not set padding to 0: everything after the first [SEP] is 1
def segment_ids(token_ids, end_id, pad_id=0):
    ends = (token_ids == end_id).astype(int)
    return np.minimum(np.cumsum(ends, axis=-1) - ends, 1)


# %% transformer.segment_ids
# mistake: takes 0 for padding whatever pad_id is
def segment_ids(token_ids, end_id, pad_id=0):
    is_end = (token_ids == end_id).astype(int)
    before = np.cumsum(is_end, axis=-1) - is_end
    return ((before > 0) & (token_ids != 0)).astype(int)


# %% transformer.embed
# mistake: gamma and beta left out
def embed(token_ids, segment_ids, token_table, position_table, segment_table, gamma, beta):
    length = token_ids.shape[1]
    x = token_table[token_ids] + position_table[:length] + segment_table[segment_ids]
    mean = x.mean(axis=-1, keepdims=True)
    variance = x.var(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-12)


# %% transformer.embed
# mistake: multiplies the token vectors by sqrt(width), as in "Attention is all you need", not as in BERT
def embed(token_ids, segment_ids, token_table, position_table, segment_table, gamma, beta):
    batch, length = token_ids.shape
    tokens = token_table[token_ids] * np.sqrt(token_table.shape[1])
    x = tokens + position_table[np.arange(length)] + segment_table[segment_ids]
    mean = x.mean(axis=-1, keepdims=True)
    variance = x.var(axis=-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(variance + 1e-12) + beta


# %% transformer.gelu
# mistake: a bracket too early in the tanh form: sqrt(2/pi) multiplies only x, not the cube
import math


def gelu(x, approximate=False):
    if approximate:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * x + 0.044715 * x**3))
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))


# %% transformer.gelu
# mistake: erf(x) without dividing by sqrt(2) in the exact form
import math


def gelu(x, approximate=False):
    if approximate:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    erf = np.vectorize(math.erf)
    return 0.5 * x * (1 + erf(x))


# %% transformer.feed_forward_part
# mistake: exact GELU instead of the one by tanh
import math


def feed_forward_part(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first):
    def norm(v):
        mean, var = v.mean(axis=-1, keepdims=True), v.var(axis=-1, keepdims=True)
        return gamma * (v - mean) / np.sqrt(var + 1e-12) + beta

    def dense(v):
        inner = v @ kernel_1 + bias_1
        inner = 0.5 * inner * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        return inner @ kernel_2 + bias_2

    if norm_first:
        return x + dense(norm(x))
    return norm(x + dense(x))


# %% transformer.feed_forward_part
# mistake: in pre-norm the residual adds the normalised x, since x was overwritten
def feed_forward_part(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first):
    def norm(v):
        mean, var = v.mean(axis=-1, keepdims=True), v.var(axis=-1, keepdims=True)
        return gamma * (v - mean) / np.sqrt(var + 1e-12) + beta

    if norm_first:
        x = norm(x)
    h = x @ kernel_1 + bias_1
    h = 0.5 * h * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3)))
    x = x + h @ kernel_2 + bias_2
    if not norm_first:
        x = norm(x)
    return x


# %% transformer.encoder_block
# mistake: the mask hides queries (rows), not keys (columns)
def encoder_block(x, padding_mask, weights, num_heads):
    def dense(v, name):
        kernel, bias = weights[name]
        return v @ kernel + bias

    def norm(v, name):
        gamma, beta = weights[name]
        mean, var = v.mean(axis=-1, keepdims=True), v.var(axis=-1, keepdims=True)
        return gamma * (v - mean) / np.sqrt(var + 1e-12) + beta

    batch, length, width = x.shape
    depth = width // num_heads

    def split(v):
        return v.reshape(batch, length, num_heads, depth).transpose(0, 2, 1, 3)

    q, k, v = split(dense(x, "query")), split(dense(x, "key")), split(dense(x, "value"))
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(depth)
    scores = np.where(padding_mask[:, None, :, None], scores, -1e9)
    scores = scores - scores.max(axis=-1, keepdims=True)
    w = np.exp(scores)
    w = w / w.sum(axis=-1, keepdims=True)
    context = (w @ v).transpose(0, 2, 1, 3).reshape(batch, length, width)
    h = norm(x + dense(context, "attention_output"), "attention_norm")
    inner = dense(h, "intermediate_dense")
    inner = 0.5 * inner * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)))
    return norm(h + dense(inner, "output_dense"), "output_norm")


# %% transformer.encoder_block
# mistake: divides the scores by the root of the whole width, not of a head's depth
import math


def encoder_block(x, padding_mask, weights, num_heads):
    def dense(v, name):
        kernel, bias = weights[name]
        return v @ kernel + bias

    def norm(v, name):
        gamma, beta = weights[name]
        mean, var = v.mean(axis=-1, keepdims=True), v.var(axis=-1, keepdims=True)
        return gamma * (v - mean) / np.sqrt(var + 1e-12) + beta

    batch, length, width = x.shape

    def split(v):
        return v.reshape(batch, length, num_heads, -1).swapaxes(1, 2)

    q, k, v = (split(dense(x, name)) for name in ("query", "key", "value"))
    scores = q @ k.swapaxes(2, 3) / np.sqrt(width)
    scores = np.where(padding_mask[:, None, None, :], scores, -np.inf)
    w = np.exp(scores - scores.max(axis=-1, keepdims=True))
    w = w / w.sum(axis=-1, keepdims=True)
    context = (w @ v).swapaxes(1, 2).reshape(batch, length, width)
    h = norm(x + dense(context, "attention_output"), "attention_norm")
    inner = dense(h, "intermediate_dense")
    inner = 0.5 * inner * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
    return norm(h + dense(inner, "output_dense"), "output_norm")


# %% transformer.encoder_block
# mistake: joins the heads by a reshape without moving the axes back
import math


def encoder_block(x, padding_mask, weights, num_heads):
    def dense(v, name):
        kernel, bias = weights[name]
        return v @ kernel + bias

    def norm(v, name):
        gamma, beta = weights[name]
        mean, var = v.mean(axis=-1, keepdims=True), v.var(axis=-1, keepdims=True)
        return gamma * (v - mean) / np.sqrt(var + 1e-12) + beta

    batch, length, width = x.shape
    depth = width // num_heads

    def split(v):
        return v.reshape(batch, length, num_heads, depth).swapaxes(1, 2)

    q, k, v = (split(dense(x, name)) for name in ("query", "key", "value"))
    scores = q @ k.swapaxes(2, 3) / np.sqrt(depth)
    scores = np.where(padding_mask[:, None, None, :], scores, -np.inf)
    w = np.exp(scores - scores.max(axis=-1, keepdims=True))
    w = w / w.sum(axis=-1, keepdims=True)
    context = (w @ v).reshape(batch, length, width)
    h = norm(x + dense(context, "attention_output"), "attention_norm")
    inner = dense(h, "intermediate_dense")
    inner = 0.5 * inner * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
    return norm(h + dense(inner, "output_dense"), "output_norm")


# %% transformer.encoder_block
# mistake: the second residual adds x, the input of the block, not h
def encoder_block(x, padding_mask, weights, num_heads):
    def dense(v, name):
        kernel, bias = weights[name]
        return v @ kernel + bias

    def norm(v, name):
        gamma, beta = weights[name]
        mean, var = v.mean(axis=-1, keepdims=True), v.var(axis=-1, keepdims=True)
        return gamma * (v - mean) / np.sqrt(var + 1e-12) + beta

    batch, length, width = x.shape
    depth = width // num_heads
    q, k, v = dense(x, "query"), dense(x, "key"), dense(x, "value")
    heads = []
    for head in range(num_heads):
        part = slice(head * depth, (head + 1) * depth)
        scores = q[..., part] @ k[..., part].swapaxes(1, 2) / np.sqrt(depth)
        scores = np.where(padding_mask[:, None, :], scores, -np.inf)
        w = np.exp(scores - scores.max(axis=-1, keepdims=True))
        heads.append(w / w.sum(axis=-1, keepdims=True) @ v[..., part])
    h = norm(x + dense(np.concatenate(heads, axis=-1), "attention_output"), "attention_norm")
    inner = dense(h, "intermediate_dense")
    inner = 0.5 * inner * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)))
    return norm(x + dense(inner, "output_dense"), "output_norm")


# %% transformer.mean_pool
# mistake: multiplies by the mask, which leaves NaN and infinity of padding as NaN
def mean_pool(sequence, padding_mask):
    mask = padding_mask[..., None].astype(float)
    total = (sequence * mask).sum(axis=1)
    return total / np.maximum(mask.sum(axis=1), 1)


# %% transformer.mean_pool
# mistake: divides by the length with padding, not by the number of tokens
def mean_pool(sequence, padding_mask):
    mask = np.asarray(padding_mask, dtype=bool)
    return np.where(mask[:, :, None], sequence, 0).mean(axis=1)


# %% transformer.mean_pool
# mistake: indexes with an integer mask, which picks vectors 0 and 1 instead of those of the tokens
def mean_pool(sequence, padding_mask):
    result = np.zeros((sequence.shape[0], sequence.shape[2]))
    for i in range(len(sequence)):
        if padding_mask[i].any():
            result[i] = sequence[i][padding_mask[i]].mean(axis=0)
    return result


# %% transformer.mean_pool
# mistake: a text without tokens gives 0/0 = NaN, not zeros
def mean_pool(sequence, padding_mask):
    mask = padding_mask.astype(bool)[:, :, np.newaxis]
    return np.where(mask, sequence, 0).sum(axis=1) / mask.sum(axis=1)


# %% transformer.parameters
# mistake: the pooler is forgotten
def parameters(vocabulary_size, num_layers, hidden_dim, intermediate_dim, max_length=512, num_segments=2):
    norm = 2 * hidden_dim
    embeddings = (vocabulary_size + max_length + num_segments) * hidden_dim + norm
    attention = 4 * (hidden_dim * hidden_dim + hidden_dim)
    dense = hidden_dim * intermediate_dim + intermediate_dim + intermediate_dim * hidden_dim + hidden_dim
    return embeddings + num_layers * (attention + dense + 2 * norm)


# %% transformer.parameters
# mistake: only one norm in each block
def parameters(vocabulary_size, num_layers, hidden_dim, intermediate_dim, max_length=512, num_segments=2):
    def dense(a, b):
        return a * b + b

    total = (vocabulary_size + max_length + num_segments) * hidden_dim + 2 * hidden_dim
    block = 4 * dense(hidden_dim, hidden_dim)
    block += dense(hidden_dim, intermediate_dim) + dense(intermediate_dim, hidden_dim)
    block += 2 * hidden_dim
    return total + num_layers * block + dense(hidden_dim, hidden_dim)
