# %% pretraining.choose
# mistake: ranks all scores, padding and special tokens included, and only afterwards takes the candidates out, so too few are chosen
def choose(scores, candidates, rate=0.15):
    result = np.zeros(scores.shape, dtype=bool)
    for i in range(len(scores)):
        k = max(1, round(rate * candidates[i].sum()))
        order = np.argsort(scores[i])
        result[i, order[:k]] = True
    return result & candidates

# %% pretraining.choose
# mistake: int() cuts the fraction off instead of rounding to the nearest
def choose(scores, candidates, rate=0.15):
    masked = np.where(candidates, scores, np.inf)
    chosen = np.zeros_like(candidates)
    for row in range(scores.shape[0]):
        n = max(1, int(rate * candidates[row].sum()))
        chosen[row, np.argsort(masked[row])[:n]] = True
    return chosen

# %% pretraining.choose
# mistake: one number for the whole batch, from the mean number of candidates, instead of one per row
def choose(scores, candidates, rate=0.15):
    s = np.where(candidates, scores, np.inf)
    k = max(1, int(np.round(rate * candidates.sum(axis=1).mean())))
    ranks = s.argsort(axis=1).argsort(axis=1)
    return (ranks < k) & candidates

# %% pretraining.word_scores
# mistake: a word gets the score at the place of its first piece, not the k-th score of the row
def word_scores(scores, continues):
    result = scores.copy()
    for i in range(scores.shape[0]):
        for j in range(1, scores.shape[1]):
            if continues[i, j]:
                result[i, j] = result[i, j - 1]
    return result

# %% pretraining.word_scores
# mistake: the counter moves on after a first piece, so the pieces that continue a word get the score of the next word
def word_scores(scores, continues):
    result = np.zeros_like(scores)
    for i in range(scores.shape[0]):
        k = 0
        for j in range(scores.shape[1]):
            result[i, j] = scores[i, k]
            if not continues[i, j]:
                k += 1
    return result

# %% pretraining.corrupt
# mistake: the draws below 0.9 include those below 0.8, so the masks are overwritten by random tokens
def corrupt(token_ids, chosen, draws, random_ids, mask_id):
    out = token_ids.copy()
    out[chosen & (draws < 0.8)] = mask_id
    replace = chosen & (draws < 0.9)
    out[replace] = random_ids[replace]
    return out

# %% pretraining.corrupt
# mistake: 10 % and 10 % are swapped: from 0.8 to 0.9 the token stays, from 0.9 on it is random
def corrupt(token_ids, chosen, draws, random_ids, mask_id):
    result = np.where(chosen & (draws < 0.8), mask_id, token_ids)
    return np.where(chosen & (draws > 0.9), random_ids, result)

# %% pretraining.masked_loss
# mistake: mean over all places, not over the predicted ones
def masked_loss(labels, logits, weights):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    loss = -np.take_along_axis(log_probs, labels[..., None], axis=-1)[..., 0]
    return np.mean(loss * weights)

# %% pretraining.masked_loss
# mistake: subtracts one maximum of the whole array, so places with far lower logits underflow
def masked_loss(labels, logits, weights):
    z = logits - np.max(logits)
    e = np.exp(z)
    p = e / e.sum(axis=-1, keepdims=True)
    py = np.take_along_axis(p, labels[..., None], axis=-1).squeeze(-1)
    return np.sum(-np.log(py) * weights) / np.sum(weights)

# %% pretraining.masked_loss
# mistake: the mean of the rows' means, so a token in a row with few counts more
def masked_loss(labels, logits, weights):
    z = logits - logits.max(axis=-1, keepdims=True)
    logp = z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))
    loss = -np.take_along_axis(logp, labels[..., None], axis=-1)[..., 0]
    rows = np.sum(loss * weights, axis=-1) / np.maximum(np.sum(weights, axis=-1), 1)
    return np.mean(rows)

# %% pretraining.perplexity
# mistake: the mean of the exponentials instead of the exponential of the mean
def perplexity(losses, weights):
    return np.sum(np.exp(losses) * weights) / np.sum(weights)

# %% pretraining.perplexity
# mistake: averages each row first, then the rows
def perplexity(losses, weights):
    mean = np.sum(losses * weights, axis=-1) / np.sum(weights, axis=-1)
    return np.exp(np.mean(mean))

# %% pretraining.next_sentence_pairs
# mistake: cuts the source document at the cut of document i instead of its own
def next_sentence_pairs(documents, cuts, sources):
    first, second, is_next = [], [], []
    for i, (cut, source) in enumerate(zip(cuts, sources)):
        first.append([t for s in documents[i][:cut] for t in s])
        second.append([t for s in documents[source][cut:] for t in s])
        is_next.append(int(source == i))
    return first, second, is_next

# %% pretraining.next_sentence_pairs
# mistake: decides is_next by comparing the second part with the document's own ending, not by the document's number
def next_sentence_pairs(documents, cuts, sources):
    beginnings = [sum(doc[:cut], []) for doc, cut in zip(documents, cuts)]
    endings = [sum(doc[cut:], []) for doc, cut in zip(documents, cuts)]
    second = [endings[s] for s in sources]
    is_next = [1 if b == e else 0 for b, e in zip(second, endings)]
    return beginnings, second, is_next

# %% pretraining.pack
# mistake: drops the last token of first instead of its first
def pack(first, second, start_id, end_id, length):
    first, second = list(first), list(second)
    while len(first) + len(second) + 3 > length:
        if len(first) >= len(second):
            first.pop()
        else:
            second.pop()
    token_ids = [start_id] + first + [end_id] + second + [end_id]
    segment_ids = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    return token_ids, segment_ids

# %% pretraining.pack
# mistake: if both are equally long a token of second is dropped
def pack(first, second, start_id, end_id, length):
    while len(first) + len(second) > length - 3:
        if len(first) > len(second):
            first = first[1:]
        else:
            second = second[:-1]
    tokens = [start_id, *first, end_id, *second, end_id]
    segments = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    return tokens, segments

# %% pretraining.pack
# mistake: gives each text half of the room, also where the other one is short and leaves room
def pack(first, second, start_id, end_id, length):
    room = length - 3
    if len(first) + len(second) > room:
        half = room // 2
        first = first[-half:]
        second = second[:room - half]
    tokens = [start_id] + list(first) + [end_id] + list(second) + [end_id]
    segments = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    return tokens, segments

# %% pretraining.causal_shift
# mistake: the weights look at the inputs, not at the labels, so the padding after the last token counts
def causal_shift(token_ids, pad_id=0):
    inputs = token_ids[:, :-1]
    labels = token_ids[:, 1:]
    weights = (inputs != pad_id).astype(float)
    return inputs, labels, weights

# %% pretraining.causal_shift
# mistake: takes 0 for padding and does not use pad_id
def causal_shift(token_ids, pad_id=0):
    inputs, labels = token_ids[:, :-1], token_ids[:, 1:]
    weights = np.where(labels > 0, 1.0, 0.0)
    return inputs, labels, weights
