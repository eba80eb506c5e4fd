# %% transformer.layer_norm
# mistake: takes mean and variance of the whole array, not of each vector
def layer_norm(x, gamma, beta, epsilon=1e-12):
    mean = np.mean(x)
    variance = np.mean((x - mean) ** 2)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


# %% transformer.layer_norm
# mistake: adds epsilon to the standard deviation instead of to the variance under the root
def layer_norm(x, gamma, beta, epsilon=1e-12):
    mean = x.mean(axis=-1, keepdims=True)
    std = x.std(axis=-1, keepdims=True)
    return gamma * (x - mean) / (std + epsilon) + beta


# %% transformer.layer_norm
# mistake: mean and variance lack keepdims, so they meet the wrong axis, or raise if the array is not square
def layer_norm(x, gamma, beta, epsilon=1e-12):
    mu = x.mean(axis=-1)
    var = x.var(axis=-1)
    normed = (x - mu) / np.sqrt(var + epsilon)
    return normed * gamma + beta


# %% transformer.layer_norm
# mistake: two: divides the squared differences by width - 1 instead of width, and leaves epsilon out
def layer_norm(x, gamma, beta, epsilon=1e-12):
    centred = x - x.mean(-1, keepdims=True)
    sigma = np.sqrt((centred**2).sum(-1, keepdims=True) / (x.shape[-1] - 1))
    return gamma * centred / sigma + beta


# %% transformer.segment_ids
# mistake: counts the [SEP] that closes the first text to the second
def segment_ids(token_ids, end_id, pad_id=0):
    seen = np.cumsum(token_ids == end_id, axis=-1)
    segments = (seen >= 1).astype(int)
    segments[token_ids == pad_id] = 0
    return segments


# %% transformer.segment_ids
# mistake: does not set padding back to 0: everything after the first [SEP] is 1
def segment_ids(token_ids, end_id, pad_id=0):
    is_end = (token_ids == end_id).astype(int)
    before = np.cumsum(is_end, axis=-1) - is_end
    return np.minimum(before, 1)


# %% transformer.segment_ids
# mistake: goes through the array as if it had one axis; a batch raises
def segment_ids(token_ids, end_id, pad_id=0):
    result = []
    segment = 0
    for token in token_ids:
        if token == pad_id:
            result.append(0)
        else:
            result.append(segment)
        if token == end_id:
            segment = 1
    return np.array(result)


# %% transformer.segment_ids
# mistake: takes 0 for padding, whatever pad_id is
def segment_ids(token_ids, end_id, pad_id=0):
    tokens = np.atleast_2d(token_ids)
    out = np.zeros(tokens.shape, dtype=int)
    for row in range(tokens.shape[0]):
        current = 0
        for column in range(tokens.shape[1]):
            if tokens[row, column] == 0:
                continue
            out[row, column] = current
            if tokens[row, column] == end_id:
                current += 1
    return out.reshape(np.shape(token_ids))


# %% transformer.embed
# mistake: adds the whole position table; raises if the text is shorter than it
def embed(token_ids, segment_ids, token_table, position_table, segment_table, gamma, beta):
    x = token_table[token_ids] + position_table + segment_table[segment_ids]
    mean = x.mean(axis=-1, keepdims=True)
    var = x.var(axis=-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + 1e-12) + beta


# %% transformer.embed
# mistake: normalises the token vectors alone and adds positions and segments afterwards
def embed(token_ids, segment_ids, token_table, position_table, segment_table, gamma, beta):
    def norm(x):
        mean = x.mean(axis=-1, keepdims=True)
        var = x.var(axis=-1, keepdims=True)
        return gamma * (x - mean) / np.sqrt(var + 1e-12) + beta

    length = token_ids.shape[1]
    tokens = norm(token_table[token_ids])
    return tokens + position_table[:length] + segment_table[segment_ids]


# %% transformer.embed
# mistake: takes the positions along the batch axis: one position per text, not per token
def embed(token_ids, segment_ids, token_table, position_table, segment_table, gamma, beta):
    batch, length = token_ids.shape
    out = np.zeros((batch, length, token_table.shape[1]))
    for i in range(batch):
        for j in range(length):
            v = token_table[token_ids[i, j]] + position_table[i] + segment_table[segment_ids[i, j]]
            out[i, j] = gamma * (v - v.mean()) / np.sqrt(v.var() + 1e-12) + beta
    return out


# %% transformer.embed
# mistake: does not add the segment vectors
def embed(token_ids, segment_ids, token_table, position_table, segment_table, gamma, beta):
    positions = np.arange(token_ids.shape[-1])
    total = np.take(token_table, token_ids, axis=0) + np.take(position_table, positions, axis=0)
    centred = total - np.mean(total, axis=-1, keepdims=True)
    variance = np.mean(centred**2, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-12) * gamma + beta


# %% transformer.gelu
# mistake: the exact form lacks the division by the root of 2 inside erf
import math


def gelu(x, approximate=False):
    if approximate:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    erf = np.vectorize(math.erf)
    return 0.5 * x * (1 + erf(x))


# %% transformer.gelu
# mistake: a bracket is missing: the root multiplies x only, not the cube
import math


def gelu(x, approximate=False):
    if approximate:
        phi = 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * x + 0.044715 * x**3))
    else:
        phi = 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    return x * phi


# %% transformer.gelu
# mistake: calls math.erf with an array, which raises
import math


def gelu(x, approximate=False):
    if approximate:
        return x * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * np.power(x, 3))))
    return x * 0.5 * (1 + math.erf(x / np.sqrt(2)))


# %% transformer.gelu
# mistake: the approximate form is x * sigmoid(1.702 x), not the one with tanh
import math


def gelu(x, approximate=False):
    x = np.asarray(x, dtype=float)
    if approximate:
        return x / (1 + np.exp(-1.702 * x))
    phi = np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x.ravel()])
    return x * phi.reshape(x.shape)


# %% transformer.feed_forward_part
# mistake: pre-norm adds the layers to norm(x) instead of to x itself
def feed_forward_part(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first):
    def norm(v):
        mean = v.mean(axis=-1, keepdims=True)
        var = v.var(axis=-1, keepdims=True)
        return gamma * (v - mean) / np.sqrt(var + 1e-12) + beta

    def gelu(v):
        return 0.5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v**3)))

    if norm_first:
        x = norm(x)
    y = x + gelu(x @ kernel_1 + bias_1) @ kernel_2 + bias_2
    if not norm_first:
        y = norm(y)
    return y


# %% transformer.feed_forward_part
# mistake: uses the exact GELU with erf instead of the one by tanh
import math


def feed_forward_part(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first):
    erf = np.vectorize(math.erf)

    def layers(v):
        inner = v @ kernel_1 + bias_1
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        return inner @ kernel_2 + bias_2

    def norm(v):
        mean = np.mean(v, axis=-1, keepdims=True)
        variance = np.mean((v - mean) ** 2, axis=-1, keepdims=True)
        return gamma * (v - mean) / np.sqrt(variance + 1e-12) + beta

    if norm_first:
        return x + layers(norm(x))
    return norm(x + layers(x))


# %% transformer.feed_forward_part
# mistake: post-norm normalises F(x) before the residual is added: x + norm(F(x))
def feed_forward_part(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first):
    def layer_norm(v):
        d = v - v.mean(-1)[..., None]
        return gamma * d / np.sqrt((d * d).mean(-1)[..., None] + 1e-12) + beta

    h = layer_norm(x) if norm_first else x
    h = np.einsum("...w,wi->...i", h, kernel_1) + bias_1
    h = h / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h * h * h)))
    h = np.einsum("...i,iw->...w", h, kernel_2) + bias_2
    if not norm_first:
        h = layer_norm(h)
    return x + h


# %% transformer.feed_forward_part
# mistake: two: mixes up the two orders (norm_first does post-norm), and applies GELU after the second layer too
def feed_forward_part(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first):
    def norm(x):
        return gamma * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12) + beta

    def gelu(x):
        return x * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    def dense(x, kernel, bias):
        return gelu(np.dot(x, kernel) + bias)

    if norm_first:
        return norm(x + dense(dense(x, kernel_1, bias_1), kernel_2, bias_2))
    else:
        return x + dense(dense(norm(x), kernel_1, bias_1), kernel_2, bias_2)


# %% transformer.encoder_block
# mistake: scales the scores by the width of the model instead of the depth of a head
def encoder_block(x, padding_mask, weights, num_heads):
    def dense(v, name):
        kernel, bias = weights[name]
        return v @ kernel + bias

    def norm(v, name):
        gamma, beta = weights[name]
        mean = v.mean(axis=-1, keepdims=True)
        var = v.var(axis=-1, keepdims=True)
        return gamma * (v - mean) / np.sqrt(var + 1e-12) + beta

    def gelu(v):
        return 0.5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v**3)))

    batch, length, width = x.shape

    def split(v):
        return v.reshape(batch, length, num_heads, width // num_heads).transpose(0, 2, 1, 3)

    q, k, v = (split(dense(x, name)) for name in ("query", "key", "value"))
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(width)
    scores = np.where(padding_mask[:, None, None, :], scores, -np.inf)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    attention = scores / scores.sum(axis=-1, keepdims=True)
    joined = (attention @ v).transpose(0, 2, 1, 3).reshape(batch, length, width)
    h = norm(x + dense(joined, "attention_output"), "attention_norm")
    return norm(h + dense(gelu(dense(h, "intermediate_dense")), "output_dense"), "output_norm")


# %% transformer.encoder_block
# mistake: splits and joins the heads by a reshape alone, without moving their axis, which mixes tokens
def layer_norm(x, gamma, beta, epsilon=1e-12):
    mean = np.mean(x, axis=-1, keepdims=True)
    var = np.var(x, axis=-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + epsilon) + beta


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def encoder_block(x, padding_mask, weights, num_heads):
    batch, length, width = x.shape
    d = width // num_heads
    query = (x @ weights["query"][0] + weights["query"][1]).reshape(batch, num_heads, length, d)
    key = (x @ weights["key"][0] + weights["key"][1]).reshape(batch, num_heads, length, d)
    value = (x @ weights["value"][0] + weights["value"][1]).reshape(batch, num_heads, length, d)
    scores = np.einsum("bhqd,bhkd->bhqk", query, key) / np.sqrt(d)
    scores = np.where(padding_mask[:, np.newaxis, np.newaxis, :], scores, -1e9)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    w = e / e.sum(axis=-1, keepdims=True)
    a = np.einsum("bhqk,bhkd->bhqd", w, value).reshape(batch, length, width)
    a = a @ weights["attention_output"][0] + weights["attention_output"][1]
    h = layer_norm(x + a, *weights["attention_norm"])
    f = gelu(h @ weights["intermediate_dense"][0] + weights["intermediate_dense"][1])
    f = f @ weights["output_dense"][0] + weights["output_dense"][1]
    return layer_norm(h + f, *weights["output_norm"])


# %% transformer.encoder_block
# mistake: the mask stands on the axis of the queries, so that texts still attend to padding
def encoder_block(x, padding_mask, weights, num_heads):
    def dense(name, inputs):
        return np.matmul(inputs, weights[name][0]) + weights[name][1]

    def norm(name, inputs):
        gamma, beta = weights[name]
        d = inputs - inputs.mean(-1, keepdims=True)
        return d / np.sqrt(np.mean(d**2, -1, keepdims=True) + 1e-12) * gamma + beta

    depth = x.shape[-1] // num_heads
    q, k, v = dense("query", x), dense("key", x), dense("value", x)
    outputs = []
    for head in range(num_heads):
        part = slice(head * depth, (head + 1) * depth)
        scores = q[..., part] @ np.swapaxes(k[..., part], 1, 2) / np.sqrt(depth)
        scores = np.where(padding_mask[:, :, None], scores, -1e9)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        outputs.append(e / e.sum(-1, keepdims=True) @ v[..., part])
    a = dense("attention_output", np.concatenate(outputs, axis=-1))
    h = norm("attention_norm", x + a)
    inner = dense("intermediate_dense", h)
    inner = 0.5 * inner * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)))
    return norm("output_norm", h + dense("output_dense", inner))


# %% transformer.encoder_block
# mistake: two: the second residual adds x instead of h, and GELU is the exact one instead of that by tanh
import math


def encoder_block(x, padding_mask, weights, num_heads):
    erf = np.vectorize(math.erf)
    batch, length, width = x.shape
    depth = width // num_heads

    def linear(inputs, name):
        kernel, bias = weights[name]
        return np.einsum("bti,io->bto", inputs, kernel) + bias

    def normalise(inputs, name):
        gamma, beta = weights[name]
        mu = inputs.mean(axis=2, keepdims=True)
        sigma = np.sqrt(inputs.var(axis=2, keepdims=True) + 1e-12)
        return gamma * (inputs - mu) / sigma + beta

    query = linear(x, "query").reshape(batch, length, num_heads, depth)
    key = linear(x, "key").reshape(batch, length, num_heads, depth)
    value = linear(x, "value").reshape(batch, length, num_heads, depth)
    scores = np.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(depth)
    scores = scores + np.where(padding_mask, 0.0, -1e9)[:, None, None, :]
    probs = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probs = probs / probs.sum(axis=-1, keepdims=True)
    context = np.einsum("bhqk,bkhd->bqhd", probs, value).reshape(batch, length, width)
    h = normalise(x + linear(context, "attention_output"), "attention_norm")
    inner = linear(h, "intermediate_dense")
    inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
    return normalise(x + linear(inner, "output_dense"), "output_norm")


# %% transformer.mean_pool
# mistake: divides by the length of the sequence instead of the number of tokens
def mean_pool(sequence, padding_mask):
    masked = sequence * padding_mask[:, :, None]
    return masked.mean(axis=1)


# %% transformer.mean_pool
# mistake: a text without any token is 0 / 0, NaN instead of zeros
def mean_pool(sequence, padding_mask):
    mask = np.asarray(padding_mask, dtype=float)
    total = np.einsum("blw,bl->bw", sequence, mask)
    return total / mask.sum(axis=1, keepdims=True)


# %% transformer.mean_pool
# mistake: takes the first n vectors, as if padding always stood on the right
def mean_pool(sequence, padding_mask):
    result = np.zeros((sequence.shape[0], sequence.shape[2]))
    for i in range(len(sequence)):
        n = int(np.sum(padding_mask[i]))
        if n > 0:
            result[i] = sequence[i, :n].mean(axis=0)
    return result


# %% transformer.mean_pool
# mistake: indexes with the mask as it is; integers 0 and 1 pick vectors number 0 and 1 again and again
def mean_pool(sequence, padding_mask):
    pooled = []
    for vectors, mask in zip(sequence, padding_mask):
        if mask.any():
            pooled.append(vectors[mask].mean(axis=0))
        else:
            pooled.append(np.zeros(vectors.shape[-1]))
    return np.stack(pooled)


# %% transformer.parameters
# mistake: forgets the biases of the four dense layers of attention
def parameters(vocabulary_size, num_layers, hidden_dim, intermediate_dim, max_length=512, num_segments=2):
    embeddings = (vocabulary_size + max_length + num_segments) * hidden_dim + 2 * hidden_dim
    attention = 4 * hidden_dim * hidden_dim
    feed_forward = 2 * hidden_dim * intermediate_dim + intermediate_dim + hidden_dim
    norms = 2 * 2 * hidden_dim
    pooler = hidden_dim * hidden_dim + hidden_dim
    return embeddings + num_layers * (attention + feed_forward + norms) + pooler


# %% transformer.parameters
# mistake: forgets the pooler
def parameters(vocabulary_size, num_layers, hidden_dim, intermediate_dim, max_length=512, num_segments=2):
    def dense(inputs, outputs):
        return inputs * outputs + outputs

    norm = 2 * hidden_dim
    total = (vocabulary_size + max_length + num_segments) * hidden_dim + norm
    for _ in range(num_layers):
        total += 4 * dense(hidden_dim, hidden_dim) + norm
        total += dense(hidden_dim, intermediate_dim) + dense(intermediate_dim, hidden_dim) + norm
    return total


# %% transformer.parameters
# mistake: counts one norm per block instead of two
def parameters(vocabulary_size, num_layers, hidden_dim, intermediate_dim, max_length=512, num_segments=2):
    h, m = hidden_dim, intermediate_dim
    tables = vocabulary_size * h + max_length * h + num_segments * h
    norm = h + h
    attention = 4 * (h * h + h)
    dense = (h * m + m) + (m * h + h)
    block = attention + dense + norm
    pooler = h * h + h
    return tables + norm + num_layers * block + pooler


# %% transformer.parameters
# mistake: two: leaves the norm of the embeddings out, and counts three dense layers in attention, without that of the output
def parameters(vocabulary_size, num_layers, hidden_dim, intermediate_dim, max_length=512, num_segments=2):
    embedding = hidden_dim * (vocabulary_size + max_length + num_segments)
    qkv = 3 * (hidden_dim**2 + hidden_dim)
    ffn_1 = (hidden_dim + 1) * intermediate_dim
    ffn_2 = (intermediate_dim + 1) * hidden_dim
    layer_norms = 4 * hidden_dim
    return int(embedding + num_layers * (qkv + ffn_1 + ffn_2 + layer_norms) + (hidden_dim + 1) * hidden_dim)
