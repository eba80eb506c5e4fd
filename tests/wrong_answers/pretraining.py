# %% pretraining.choose
# mistake: does not see to it that at least one is chosen: few candidates are rounded to none
def choose(scores, candidates, rate=0.15):
    chosen = np.zeros(scores.shape, dtype=bool)
    for row in range(len(scores)):
        places = np.flatnonzero(candidates[row])
        n = round(rate * len(places))
        order = places[np.argsort(scores[row, places])]
        chosen[row, order[:n]] = True
    return chosen


# %% pretraining.choose
# mistake: takes the share of the whole length instead of the share of the candidates
def choose(scores, candidates, rate=0.15):
    n = max(1, int(np.round(rate * scores.shape[1])))
    masked = np.where(candidates, scores, np.inf)
    ranks = np.argsort(np.argsort(masked, axis=1), axis=1)
    return (ranks < n) & candidates


# %% pretraining.choose
# mistake: makes the scores of non-candidates 0, the lowest of all, so that they use up the places
def choose(scores, candidates, rate=0.15):
    scores = scores * candidates
    counts = np.maximum(1, np.rint(rate * candidates.sum(axis=1))).astype(int)
    chosen = np.zeros_like(candidates)
    for i, n in enumerate(counts):
        chosen[i, np.argsort(scores[i])[:n]] = True
    return chosen & candidates


# %% pretraining.choose
# mistake: two: cuts the product off by int() instead of rounding, and takes the highest scores
def choose(scores, candidates, rate=0.15):
    result = np.zeros(candidates.shape, dtype=bool)
    for b in range(scores.shape[0]):
        n = max(1, int(rate * candidates[b].sum()))
        s = np.where(candidates[b], scores[b], -np.inf)
        result[b, np.argsort(s)[::-1][:n]] = True
    return result


# %% pretraining.word_scores
# mistake: a word takes the score that stands at its first piece, not the k-th score of the row
def word_scores(scores, continues):
    result = scores.copy()
    for i in range(scores.shape[0]):
        for j in range(1, scores.shape[1]):
            if continues[i, j]:
                result[i, j] = result[i, j - 1]
    return result


# %% pretraining.word_scores
# mistake: counts the words from 1: each has the score of the next one, and the last place may raise
def word_scores(scores, continues):
    words = np.cumsum(~continues, axis=1)
    return np.take_along_axis(scores, words, axis=1)


# %% pretraining.word_scores
# mistake: cumsum without an axis goes on counting from row to row
def word_scores(scores, continues):
    numbers = np.cumsum(np.logical_not(continues)) - 1
    return scores.ravel()[numbers].reshape(scores.shape)


# %% pretraining.word_scores
# mistake: indexes scores[:, words], which looks up every row's words in every row: (batch, batch, length)
def word_scores(scores, continues):
    words = np.cumsum(~continues, axis=-1) - 1
    return scores[:, words]


# %% pretraining.corrupt
# mistake: the second step, below 0.9, overwrites the tokens that the first has just masked
def corrupt(token_ids, chosen, draws, random_ids, mask_id):
    out = np.where(chosen & (draws < 0.8), mask_id, token_ids)
    out = np.where(chosen & (draws < 0.9), random_ids, out)
    return out


# %% pretraining.corrupt
# mistake: puts random tokens also where nothing was chosen
def corrupt(token_ids, chosen, draws, random_ids, mask_id):
    out = token_ids.copy()
    hide = chosen & (draws < 0.8)
    swap = (draws > 0.8) & (draws < 0.9)
    out[hide] = mask_id
    out[swap] = random_ids[swap]
    return out


# %% pretraining.corrupt
# mistake: assigns the whole of random_ids to the selected places, which raises
def corrupt(token_ids, chosen, draws, random_ids, mask_id):
    result = np.array(token_ids)
    result[chosen & (draws < 0.8)] = mask_id
    result[chosen & (draws >= 0.8) & (draws < 0.9)] = random_ids
    return result


# %% pretraining.corrupt
# mistake: mixes up the two tenths: keeps from 0.8 to 0.9 and replaces from 0.9 on
def corrupt(token_ids, chosen, draws, random_ids, mask_id):
    flat = []
    everything = zip(token_ids.ravel(), chosen.ravel(), draws.ravel(), random_ids.ravel())
    for token, is_chosen, draw, other in everything:
        if is_chosen and draw < 0.8:
            flat.append(mask_id)
        elif is_chosen and draw > 0.9:
            flat.append(other)
        else:
            flat.append(token)
    return np.array(flat, dtype=int).reshape(token_ids.shape)


# %% pretraining.masked_loss
# mistake: averages over all places, not over those that are predicted
def masked_loss(labels, logits, weights):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    losses = -np.take_along_axis(log_probs, labels[..., None], axis=-1)[..., 0]
    return np.mean(losses * weights)


# %% pretraining.masked_loss
# mistake: exponentiates the raw logits, which overflows at 1000 and underflows at -1000
def masked_loss(labels, logits, weights):
    exps = np.exp(logits)
    probabilities = exps / np.sum(exps, axis=-1, keepdims=True)
    picked = np.take_along_axis(probabilities, labels[..., np.newaxis], axis=-1).squeeze(-1)
    return np.sum(-np.log(picked) * weights) / np.sum(weights)


# %% pretraining.masked_loss
# mistake: subtracts the maximum of all logits, so places far below it get exp 0 and the loss inf or NaN
def masked_loss(labels, logits, weights):
    z = logits - np.max(logits)
    log_sum = np.log(np.sum(np.exp(z), axis=-1))
    z_label = np.take_along_axis(z, labels[..., None], axis=-1)[..., 0]
    loss = log_sum - z_label
    return (loss * weights).sum() / weights.sum()


# %% pretraining.masked_loss
# mistake: two: averages within each row first (a row without predictions is NaN), and takes logarithms to base 2, bits instead of nats
def masked_loss(labels, logits, weights):
    top = logits.max(axis=-1, keepdims=True)
    e = np.exp(logits - top)
    p = e / e.sum(axis=-1, keepdims=True)
    one_hot = np.eye(logits.shape[-1])[labels]
    loss = -np.log2((p * one_hot).sum(axis=-1))
    rows = (loss * weights).sum(axis=-1) / weights.sum(axis=-1)
    return rows.mean()


# %% pretraining.perplexity
# mistake: averages the exponentials instead of taking the exponential of the average
def perplexity(losses, weights):
    return np.sum(np.exp(losses) * weights) / np.sum(weights)


# %% pretraining.perplexity
# mistake: averages over all tokens, also those that do not count
def perplexity(losses, weights):
    return np.exp(np.mean(losses * weights))


# %% pretraining.perplexity
# mistake: averages each row first, so that tokens of short rows weigh more
def perplexity(losses, weights):
    per_row = np.sum(losses * weights, axis=-1) / np.sum(weights, axis=-1)
    return np.exp(np.mean(per_row))


# %% pretraining.perplexity
# mistake: raises 2 to the loss, as if it were in bits
def perplexity(losses, weights):
    total, count = 0.0, 0.0
    for loss, weight in zip(np.ravel(losses), np.ravel(weights)):
        if weight:
            total += loss
            count += 1
    return 2 ** (total / count)


# %% pretraining.next_sentence_pairs
# mistake: cuts the other document where document i is cut, not at its own cut
def next_sentence_pairs(documents, cuts, sources):
    first, second = [], []
    for i in range(len(documents)):
        beginning = documents[i][: cuts[i]]
        ending = documents[sources[i]][cuts[i] :]
        first.append([token for sentence in beginning for token in sentence])
        second.append([token for sentence in ending for token in sentence])
    is_next = (np.asarray(sources) == np.arange(len(documents))).astype(int)
    return first, second, is_next


# %% pretraining.next_sentence_pairs
# mistake: leaves each part a list of sentences instead of one list of token ids
def next_sentence_pairs(documents, cuts, sources):
    first = [doc[:cut] for doc, cut in zip(documents, cuts)]
    endings = [doc[cut:] for doc, cut in zip(documents, cuts)]
    second = [endings[s] for s in sources]
    is_next = np.array([int(s == i) for i, s in enumerate(sources)])
    return first, second, is_next


# %% pretraining.next_sentence_pairs
# mistake: compares the texts: two documents with the same ending count as one
def next_sentence_pairs(documents, cuts, sources):
    beginnings = [sum(d[:c], []) for d, c in zip(documents, cuts)]
    endings = [sum(d[c:], []) for d, c in zip(documents, cuts)]
    second = [endings[source] for source in sources]
    is_next = np.array([1 if a == b else 0 for a, b in zip(second, endings)])
    return beginnings, second, is_next


# %% pretraining.next_sentence_pairs
# mistake: two: the beginning includes sentence number cuts[i] too, and is_next is 1 for the wrong pairs
def next_sentence_pairs(documents, cuts, sources):
    import itertools

    first, second, is_next = [], [], []
    for i, source in enumerate(sources):
        first.append(list(itertools.chain(*documents[i][: cuts[i] + 1])))
        second.append(list(itertools.chain(*documents[source][cuts[source] :])))
        is_next.append(source != i)
    return first, second, np.array(is_next, dtype=int)


# %% pretraining.pack
# mistake: drops the last token of the first text instead of its first
def pack(first, second, start_id, end_id, length):
    first, second = list(first), list(second)
    while len(first) + len(second) > length - 3:
        if len(first) >= len(second):
            first.pop()
        else:
            second.pop()
    token_ids = [start_id] + first + [end_id] + second + [end_id]
    segment_ids = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    return token_ids, segment_ids


# %% pretraining.pack
# mistake: if both are equally long, drops a token of second instead of first
def pack(first, second, start_id, end_id, length):
    a, b = first[:], second[:]
    while len(a) + len(b) + 3 > length:
        if len(a) > len(b):
            a = a[1:]
        else:
            b = b[:-1]
    ids = [start_id, *a, end_id, *b, end_id]
    segments = [0] * (2 + len(a)) + [1] * (len(b) + 1)
    return ids, segments


# %% pretraining.pack
# mistake: gives each text half of the room, even if the other does not need its half
def pack(first, second, start_id, end_id, length):
    room = length - 3
    for_second = room // 2 if len(first) + len(second) > room else len(second)
    for_first = room - for_second
    first = first[max(0, len(first) - for_first) :]
    second = second[:for_second]
    token_ids = [start_id] + first + [end_id] + second + [end_id]
    return token_ids, [0] * (len(first) + 2) + [1] * (len(second) + 1)


# %% pretraining.pack
# mistake: two: leaves room for two special tokens only, and counts the first [SEP] to the second text
def pack(first, second, start_id, end_id, length):
    first, second = list(first), list(second)
    while len(first) + len(second) > length - 2:
        if len(first) >= len(second):
            del first[0]
        else:
            del second[-1]
    tokens, segments = [start_id], [0]
    for token in first:
        tokens.append(token)
        segments.append(0)
    tokens.append(end_id)
    segments.append(1)
    for token in second + [end_id]:
        tokens.append(token)
        segments.append(1)
    return tokens, segments


# %% pretraining.causal_shift
# mistake: takes the weights from the inputs: 0 where the input is padding, not where the label is
def causal_shift(token_ids, pad_id=0):
    inputs = token_ids[:, :-1]
    labels = token_ids[:, 1:]
    weights = (inputs != pad_id).astype(float)
    return inputs, labels, weights


# %% pretraining.causal_shift
# mistake: slices the batch axis: the labels are the next text, not the next token
def causal_shift(token_ids, pad_id=0):
    inputs, labels = token_ids[:-1], token_ids[1:]
    return inputs, labels, np.where(labels == pad_id, 0.0, 1.0)


# %% pretraining.causal_shift
# mistake: takes 0 for padding, whatever pad_id is
def causal_shift(token_ids, pad_id=0):
    batch, length = token_ids.shape
    inputs = np.zeros((batch, length - 1), dtype=int)
    labels = np.zeros((batch, length - 1), dtype=int)
    weights = np.zeros((batch, length - 1))
    for i in range(batch):
        for t in range(length - 1):
            inputs[i, t] = token_ids[i, t]
            labels[i, t] = token_ids[i, t + 1]
            if labels[i, t] != 0:
                weights[i, t] = 1.0
    return inputs, labels, weights


# %% pretraining.causal_shift
# mistake: shifts the wrong way: the label at each place is the token before
def causal_shift(token_ids, pad_id=0):
    inputs = token_ids[:, 1:]
    labels = token_ids[:, :-1]
    weights = (labels != pad_id).astype("float32")
    return inputs, labels, weights
