# Written with the questions, by their author: only people who have not seen them can find what he missed.

# %% capstone.choose_threshold
# mistake: most right decisions
def choose_threshold(scores, right, wrong_cost, ask_cost):
    best, most = np.inf, -1
    for t in sorted([*scores, np.inf], reverse=True):
        n = np.sum((scores >= t) == right)
        if n > most:
            best, most = t, n
    return best, np.where(scores >= best, np.where(right, 0, wrong_cost), ask_cost).mean()


# %% capstone.choose_threshold
# mistake: above the threshold only
def choose_threshold(scores, right, wrong_cost, ask_cost):
    best = (np.inf, ask_cost)
    for t in sorted(scores, reverse=True):
        cost = np.where(scores > t, np.where(right, 0, wrong_cost), ask_cost).mean()
        if cost < best[1]:
            best = (t, cost)
    return best


# %% capstone.choose_threshold
# mistake: the lowest of those that cost the same
def choose_threshold(scores, right, wrong_cost, ask_cost):
    best = (0, np.inf)
    for t in sorted([*scores, np.inf]):
        cost = np.where(scores >= t, np.where(right, 0, wrong_cost), ask_cost).mean()
        if cost < best[1]:
            best = (t, cost)
    return best


# %% capstone.choose_threshold
# mistake: infinity is not tried
def choose_threshold(scores, right, wrong_cost, ask_cost):
    best = (0, np.inf)
    for t in sorted(scores, reverse=True):
        cost = np.where(scores >= t, np.where(right, 0, wrong_cost), ask_cost).mean()
        if cost < best[1]:
            best = (t, cost)
    return best


# %% capstone.choose_threshold
# mistake: total
def choose_threshold(scores, right, wrong_cost, ask_cost):
    best = (np.inf, ask_cost * len(scores))
    for t in sorted(scores, reverse=True):
        cost = np.where(scores >= t, np.where(right, 0, wrong_cost), ask_cost).sum()
        if cost < best[1]:
            best = (t, cost)
    return best


# %% capstone.choose_threshold
# mistake: a grid of hundredths
def choose_threshold(scores, right, wrong_cost, ask_cost):
    best = (np.inf, ask_cost)
    for t in np.linspace(1, 0, 101):
        cost = np.where(scores >= t, np.where(right, 0, wrong_cost), ask_cost).mean()
        if cost < best[1]:
            best = (t, cost)
    return best


# %% capstone.choose_threshold
# mistake: handing over a wrong answer is free
def choose_threshold(scores, right, wrong_cost, ask_cost):
    best = (np.inf, np.mean(right * ask_cost))
    for t in sorted(scores, reverse=True):
        cost = np.where(scores >= t, np.where(right, 0, wrong_cost), right * ask_cost).mean()
        if cost < best[1]:
            best = (t, cost)
    return best


# %% capstone.mcnemar
# mistake: one-sided
def mcnemar(labels, ours, baseline):
    b = int(((ours == labels) & (baseline != labels)).sum())
    c = int(((ours != labels) & (baseline == labels)).sum())
    p = sum(math.comb(b + c, i) for i in range(min(b, c) + 1)) / 2 ** (b + c)
    return b, c, p


# %% capstone.mcnemar
# mistake: above one
def mcnemar(labels, ours, baseline):
    b = int(((ours == labels) & (baseline != labels)).sum())
    c = int(((ours != labels) & (baseline == labels)).sum())
    p = 2 * sum(math.comb(b + c, i) for i in range(min(b, c) + 1)) / 2 ** (b + c)
    return b, c, p


# %% capstone.mcnemar
# mistake: range without the last
def mcnemar(labels, ours, baseline):
    b = int(((ours == labels) & (baseline != labels)).sum())
    c = int(((ours != labels) & (baseline == labels)).sum())
    p = 2 * sum(math.comb(b + c, i) for i in range(min(b, c))) / 2 ** (b + c)
    return b, c, min(p, 1)


# %% capstone.mcnemar
# mistake: counts of right answers
def mcnemar(labels, ours, baseline):
    b, c = int((ours == labels).sum()), int((baseline == labels).sum())
    p = 2 * sum(math.comb(b + c, i) for i in range(min(b, c) + 1)) / 2 ** (b + c)
    return b, c, min(p, 1)


# %% capstone.mcnemar
# mistake: all examples are coins
def mcnemar(labels, ours, baseline):
    b = int(((ours == labels) & (baseline != labels)).sum())
    c = int(((ours != labels) & (baseline == labels)).sum())
    n = len(labels)
    p = 2 * sum(math.comb(n, i) for i in range(min(b, c) + 1)) / 2**n
    return b, c, min(p, 1)


# %% capstone.mcnemar
# mistake: chi-squared with continuity
def mcnemar(labels, ours, baseline):
    b = int(((ours == labels) & (baseline != labels)).sum())
    c = int(((ours != labels) & (baseline == labels)).sum())
    if b + c == 0:
        return b, c, 1.0
    x = max(abs(b - c) - 1, 0) ** 2 / (b + c)
    return b, c, math.erfc(math.sqrt(x / 2))


# %% capstone.mcnemar
# mistake: tail of the larger count
def mcnemar(labels, ours, baseline):
    b = int(((ours == labels) & (baseline != labels)).sum())
    c = int(((ours != labels) & (baseline == labels)).sum())
    p = 2 * sum(math.comb(b + c, i) for i in range(max(b, c) + 1)) / 2 ** (b + c)
    return b, c, min(p, 1)


# %% capstone.split_by_time
# mistake: the last in the table
def split_by_time(users, times):
    parts = np.zeros(len(users), int)
    for u in set(users):
        own = np.flatnonzero(users == u)
        if len(own) >= 3:
            parts[own[-1]] = 2
            parts[own[-2]] = 1
    return parts


# %% capstone.split_by_time
# mistake: places among a user's ratings are used as places in the table
def split_by_time(users, times):
    parts = np.zeros(len(users), int)
    for u in set(users):
        order = np.argsort(times[users == u], kind="stable")
        if len(order) >= 3:
            parts[order[-1]] = 2
            parts[order[-2]] = 1
    return parts


# %% capstone.split_by_time
# mistake: users with two ratings are split
def split_by_time(users, times):
    parts = np.zeros(len(users), int)
    for u in set(users):
        own = np.flatnonzero(users == u)
        own = own[np.argsort(times[own], kind="stable")]
        if len(own) >= 2:
            parts[own[-1]] = 2
            parts[own[-2]] = 1
    return parts


# %% capstone.split_by_time
# mistake: more than three
def split_by_time(users, times):
    parts = np.zeros(len(users), int)
    for u in set(users):
        own = np.flatnonzero(users == u)
        own = own[np.argsort(times[own], kind="stable")]
        if len(own) > 3:
            parts[own[-1]] = 2
            parts[own[-2]] = 1
    return parts


# %% capstone.split_by_time
# mistake: argmax takes the first of equal times
def split_by_time(users, times):
    parts = np.zeros(len(users), int)
    for u in set(users):
        own = np.flatnonzero(users == u)
        own = sorted(own, key=lambda i: (-times[i], i))
        if len(own) >= 3:
            parts[own[0]] = 2
            parts[own[1]] = 1
    return parts


# %% capstone.split_by_time
# mistake: exchanged
def split_by_time(users, times):
    parts = np.zeros(len(users), int)
    for u in set(users):
        own = np.flatnonzero(users == u)
        own = own[np.argsort(times[own], kind="stable")]
        if len(own) >= 3:
            parts[own[-1]] = 1
            parts[own[-2]] = 2
    return parts


# %% capstone.recall_and_ndcg
# mistake: seen items stay
def recall_and_ndcg(scores, seen, relevant, k):
    r, n = [], []
    for s, w in zip(scores, relevant):
        if not w.any():
            continue
        hits = w[np.argsort(-s, kind="stable")[:k]]
        r.append(hits.sum() / w.sum())
        d = 1 / np.log2(np.arange(2, k + 2))
        n.append((hits * d).sum() / d[: w.sum()].sum())
    return np.mean(r), np.mean(n)


# %% capstone.recall_and_ndcg
# mistake: precision
def recall_and_ndcg(scores, seen, relevant, k):
    r, n = [], []
    for s, x, w in zip(scores, seen, relevant):
        if not w.any():
            continue
        hits = w[np.argsort(np.where(x, np.inf, -s), kind="stable")[:k]]
        r.append(hits.mean())
        d = 1 / np.log2(np.arange(2, k + 2))
        n.append((hits * d).sum() / d[: w.sum()].sum())
    return np.mean(r), np.mean(n)


# %% capstone.recall_and_ndcg
# mistake: the ideal has k hits
def recall_and_ndcg(scores, seen, relevant, k):
    r, n = [], []
    for s, x, w in zip(scores, seen, relevant):
        if not w.any():
            continue
        hits = w[np.argsort(np.where(x, np.inf, -s), kind="stable")[:k]]
        r.append(hits.sum() / w.sum())
        d = 1 / np.log2(np.arange(2, k + 2))
        n.append((hits * d).sum() / d.sum())
    return np.mean(r), np.mean(n)


# %% capstone.recall_and_ndcg
# mistake: users without relevant items count as 0
def recall_and_ndcg(scores, seen, relevant, k):
    r, n = [], []
    for s, x, w in zip(scores, seen, relevant):
        hits = w[np.argsort(np.where(x, np.inf, -s), kind="stable")[:k]]
        d = 1 / np.log2(np.arange(2, k + 2))
        r.append(hits.sum() / max(w.sum(), 1))
        n.append((hits * d).sum() / d[: max(w.sum(), 1)].sum())
    return np.mean(r), np.mean(n)


# %% capstone.recall_and_ndcg
# mistake: ties go to the higher number
def recall_and_ndcg(scores, seen, relevant, k):
    r, n = [], []
    for s, x, w in zip(scores, seen, relevant):
        if not w.any():
            continue
        hits = w[np.argsort(np.where(x, -np.inf, s), kind="stable")[::-1][:k]]
        r.append(hits.sum() / w.sum())
        d = 1 / np.log2(np.arange(2, k + 2))
        n.append((hits * d).sum() / d[: w.sum()].sum())
    return np.mean(r), np.mean(n)


# %% capstone.recall_and_ndcg
# mistake: the discount begins at rank 2
def recall_and_ndcg(scores, seen, relevant, k):
    r, n = [], []
    for s, x, w in zip(scores, seen, relevant):
        if not w.any():
            continue
        hits = w[np.argsort(np.where(x, np.inf, -s), kind="stable")[:k]]
        r.append(hits.sum() / w.sum())
        d = 1 / np.log2(np.arange(3, k + 3))
        n.append((hits * d).sum() / d[: w.sum()].sum())
    return np.mean(r), np.mean(n)


# %% capstone.recall_and_ndcg
# mistake: recall by min(k, relevant)
def recall_and_ndcg(scores, seen, relevant, k):
    r, n = [], []
    for s, x, w in zip(scores, seen, relevant):
        if not w.any():
            continue
        hits = w[np.argsort(np.where(x, np.inf, -s), kind="stable")[:k]]
        r.append(hits.sum() / min(k, w.sum()))
        d = 1 / np.log2(np.arange(2, k + 2))
        n.append((hits * d).sum() / d[: w.sum()].sum())
    return np.mean(r), np.mean(n)


# %% capstone.align_labels
# mistake: all pieces
def align_labels(labels, word_ids, ignore):
    return [ignore if w is None else labels[w] for w in word_ids]


# %% capstone.align_labels
# mistake: word 0 is False
def align_labels(labels, word_ids, ignore):
    out, last = [], None
    for w in word_ids:
        if w and w != last:
            out.append(labels[w])
        else:
            out.append(ignore)
        last = w
    return out


# %% capstone.align_labels
# mistake: -100 by heart
def align_labels(labels, word_ids, ignore):
    out, last = [], None
    for w in word_ids:
        out.append(-100 if w is None or w == last else labels[w])
        last = w
    return out


# %% capstone.align_labels
# mistake: the last piece
def align_labels(labels, word_ids, ignore):
    out = []
    for i, w in enumerate(word_ids):
        after = word_ids[i + 1] if i + 1 < len(word_ids) else None
        out.append(ignore if w is None or w == after else labels[w])
    return out


# %% capstone.align_labels
# mistake: compares with the last piece of the text
def align_labels(labels, word_ids, ignore):
    out = []
    for i in range(len(word_ids)):
        w = word_ids[i]
        out.append(labels[w] if w is not None and w != word_ids[i - 1] else ignore)
    return out


# %% capstone.align_labels
# mistake: nothing for the special tokens
def align_labels(labels, word_ids, ignore):
    out, last = [], None
    for w in word_ids:
        if w is None:
            continue
        out.append(ignore if w == last else labels[w])
        last = w
    return out


# %% capstone.spans
# mistake: strict
def spans(tags):
    types, starts, ends, of = [], [], [], None
    for i, tag in enumerate(tags):
        if tag.startswith("B-"):
            types.append(tag[2:]); starts.append(i); ends.append(i + 1); of = tag[2:]
        elif tag.startswith("I-") and of == tag[2:]:
            ends[-1] = i + 1
        else:
            of = None
    return types, starts, ends


# %% capstone.spans
# mistake: the types of I are not looked at
def spans(tags):
    types, starts, ends, inside = [], [], [], False
    for i, tag in enumerate(tags):
        if tag == "O":
            inside = False
        elif tag[0] == "B" or not inside:
            types.append(tag[2:]); starts.append(i); ends.append(i + 1); inside = True
        else:
            ends[-1] = i + 1
    return types, starts, ends


# %% capstone.spans
# mistake: the last span is not closed
def spans(tags):
    types, starts, ends, start, of = [], [], [], None, None
    for i, tag in enumerate(tags):
        if start is not None and (tag[0] != "I" or tag[2:] != of):
            types.append(of); starts.append(start); ends.append(i); start = None
        if tag != "O" and start is None:
            start, of = i, tag[2:]
    return types, starts, ends


# %% capstone.spans
# mistake: ends included
def spans(tags):
    types, starts, ends, of = [], [], [], None
    for i, tag in enumerate(tags):
        if tag == "O":
            of = None
        elif tag[0] == "B" or tag[2:] != of:
            types.append(tag[2:]); starts.append(i); ends.append(i); of = tag[2:]
        else:
            ends[-1] = i
    return types, starts, ends


# %% capstone.spans
# mistake: split at every hyphen
def spans(tags):
    types, starts, ends, of = [], [], [], None
    for i, tag in enumerate(tags):
        if tag == "O":
            of = None
            continue
        kind = tag.split("-")[1]
        if tag[0] == "B" or kind != of:
            types.append(kind); starts.append(i); ends.append(i + 1); of = kind
        else:
            ends[-1] = i + 1
    return types, starts, ends


# %% capstone.spans
# mistake: B goes on if the type is the same
def spans(tags):
    types, starts, ends, of = [], [], [], None
    for i, tag in enumerate(tags):
        kind = None if tag == "O" else tag[2:]
        if kind is not None and kind != of:
            types.append(kind); starts.append(i); ends.append(i + 1)
        elif kind is not None:
            ends[-1] = i + 1
        of = kind
    return types, starts, ends


# %% capstone.span_f1
# mistake: without the number of the sentence
def span_f1(true, predicted):
    def spans(tags):
        found, of = [], None
        for i, tag in enumerate([*tags, "O"]):
            if tag == "O":
                of = None
            elif tag[0] == "B" or tag[2:] != of:
                found.append([tag[2:], i, i + 1]); of = tag[2:]
            else:
                found[-1][2] = i + 1
        return [tuple(x) for x in found]

    a = {s for tags in true for s in spans(tags)}
    b = {s for tags in predicted for s in spans(tags)}
    h = len(a & b)
    p, r = h / len(b) if b else 0, h / len(a) if a else 0
    return p, r, 2 * p * r / (p + r) if p + r else 0


# %% capstone.span_f1
# mistake: tag by tag
def span_f1(true, predicted):
    pairs = [(a, b) for x, y in zip(true, predicted) for a, b in zip(x, y)]
    h = sum(a == b != "O" for a, b in pairs)
    n, m = sum(b != "O" for a, b in pairs), sum(a != "O" for a, b in pairs)
    p, r = h / n if n else 0, h / m if m else 0
    return p, r, 2 * p * r / (p + r) if p + r else 0


# %% capstone.span_f1
# mistake: precision and recall exchanged
def span_f1(true, predicted):
    def spans(k, tags):
        found, of = [], None
        for i, tag in enumerate([*tags, "O"]):
            if tag == "O":
                of = None
            elif tag[0] == "B" or tag[2:] != of:
                found.append([k, tag[2:], i, i + 1]); of = tag[2:]
            else:
                found[-1][3] = i + 1
        return [tuple(x) for x in found]

    a = {s for k, tags in enumerate(true) for s in spans(k, tags)}
    b = {s for k, tags in enumerate(predicted) for s in spans(k, tags)}
    h = len(a & b)
    p, r = h / len(b) if b else 0, h / len(a) if a else 0
    return r, p, 2 * p * r / (p + r) if p + r else 0


# %% capstone.span_f1
# mistake: mean over the sentences
def span_f1(true, predicted):
    def spans(tags):
        found, of = [], None
        for i, tag in enumerate([*tags, "O"]):
            if tag == "O":
                of = None
            elif tag[0] == "B" or tag[2:] != of:
                found.append([tag[2:], i, i + 1]); of = tag[2:]
            else:
                found[-1][2] = i + 1
        return {tuple(x) for x in found}

    out = []
    for x, y in zip(true, predicted):
        a, b = spans(x), spans(y)
        h = len(a & b)
        p, r = h / len(b) if b else 0, h / len(a) if a else 0
        out.append((p, r, 2 * p * r / (p + r) if p + r else 0))
    return np.mean(out, axis=0)


# %% capstone.span_f1
# mistake: strict spans
def span_f1(true, predicted):
    def spans(k, tags):
        found, of = [], None
        for i, tag in enumerate(tags):
            if tag[0] == "B":
                found.append([k, tag[2:], i, i + 1]); of = tag[2:]
            elif tag != "O" and tag[2:] == of:
                found[-1][3] = i + 1
            else:
                of = None
        return [tuple(x) for x in found]

    a = {s for k, tags in enumerate(true) for s in spans(k, tags)}
    b = {s for k, tags in enumerate(predicted) for s in spans(k, tags)}
    h = len(a & b)
    p, r = h / len(b) if b else 0, h / len(a) if a else 0
    return p, r, 2 * p * r / (p + r) if p + r else 0


# %% capstone.span_f1
# mistake: 0 / 0
def span_f1(true, predicted):
    def spans(k, tags):
        found, of = [], None
        for i, tag in enumerate([*tags, "O"]):
            if tag == "O":
                of = None
            elif tag[0] == "B" or tag[2:] != of:
                found.append([k, tag[2:], i, i + 1]); of = tag[2:]
            else:
                found[-1][3] = i + 1
        return [tuple(x) for x in found]

    a = {s for k, tags in enumerate(true) for s in spans(k, tags)}
    b = {s for k, tags in enumerate(predicted) for s in spans(k, tags)}
    h = len(a & b)
    p, r = h / len(b), h / len(a)
    return p, r, 2 * p * r / (p + r)
