# Written with the questions, by their author: only people who have not seen them can find what he missed.

# %% capstone.choose_threshold
# mistake: costs exchanged
def choose_threshold(scores, right, wrong_cost, ask_cost):
    best = (np.inf, wrong_cost)
    for t in sorted(scores, reverse=True):
        cost = np.where(scores >= t, np.where(right, 0, ask_cost), wrong_cost).mean()
        if cost < best[1]:
            best = (t, cost)
    return best


# %% capstone.choose_threshold
# mistake: nothing for handing over
def choose_threshold(scores, right, wrong_cost, ask_cost):
    best = (np.inf, 0.0)
    for t in sorted(scores, reverse=True):
        cost = np.where((scores >= t) & ~right, wrong_cost, 0).mean()
        if cost <= best[1]:
            best = (t, cost)
    return best


# %% capstone.choose_threshold
# mistake: the threshold alone
def choose_threshold(scores, right, wrong_cost, ask_cost):
    best = (np.inf, ask_cost)
    for t in sorted(scores, reverse=True):
        cost = np.where(scores >= t, np.where(right, 0, wrong_cost), ask_cost).mean()
        if cost < best[1]:
            best = (t, cost)
    return best[0]


# %% capstone.choose_threshold
# mistake: candidates halfway between scores
def choose_threshold(scores, right, wrong_cost, ask_cost):
    s = np.sort(scores)
    best = (np.inf, ask_cost)
    for t in [*((s[1:] + s[:-1]) / 2)[::-1], s[0]]:
        cost = np.where(scores >= t, np.where(right, 0, wrong_cost), ask_cost).mean()
        if cost < best[1]:
            best = (t, cost)
    return best


# %% capstone.choose_threshold
# mistake: the score of the first wrong answer from the top
def choose_threshold(scores, right, wrong_cost, ask_cost):
    wrong = scores[~right]
    t = min((s for s in scores if s > wrong.max()), default=np.inf) if len(wrong) else scores.min()
    return t, np.where(scores >= t, np.where(right, 0, wrong_cost), ask_cost).mean()


# %% capstone.mcnemar
# mistake: ties of both wrong count for the baseline
def mcnemar(labels, ours, baseline):
    differ = ours != baseline
    b = int((differ & (ours == labels)).sum())
    c = int((differ & (ours != labels)).sum())
    p = 2 * sum(math.comb(b + c, i) for i in range(min(b, c) + 1)) / 2 ** (b + c)
    return b, c, min(p, 1.0)


# %% capstone.mcnemar
# mistake: one case
def mcnemar(labels, ours, baseline):
    b = int(((ours == labels) & (baseline != labels)).sum())
    c = int(((ours != labels) & (baseline == labels)).sum())
    return b, c, math.comb(b + c, min(b, c)) / 2 ** (b + c)


# %% capstone.mcnemar
# mistake: errors counted: only_ours wrong
def mcnemar(labels, ours, baseline):
    b = int(((ours != labels) & (baseline == labels)).sum())
    c = int(((ours == labels) & (baseline != labels)).sum())
    p = 2 * sum(math.comb(b + c, i) for i in range(min(b, c) + 1)) / 2 ** (b + c)
    return b, c, min(p, 1.0)


# %% capstone.mcnemar
# mistake: chi-squared without correction
def mcnemar(labels, ours, baseline):
    b = int(((ours == labels) & (baseline != labels)).sum())
    c = int(((ours != labels) & (baseline == labels)).sum())
    return b, c, math.erfc(math.sqrt((b - c) ** 2 / (2 * (b + c)))) if b + c else 1.0


# %% capstone.mcnemar
# mistake: only the baseline's side
def mcnemar(labels, ours, baseline):
    b = int(((ours == labels) & (baseline != labels)).sum())
    c = int(((ours != labels) & (baseline == labels)).sum())
    p = 2 * sum(math.comb(b + c, i) for i in range(c + 1)) / 2 ** (b + c)
    return b, c, min(p, 1.0)


# %% capstone.split_by_time
# mistake: sorted by time over all users, the last of each user in that order only as test
def split_by_time(users, times):
    parts = np.zeros(len(users), int)
    for u in set(users):
        own = np.flatnonzero(users == u)
        if len(own) >= 3:
            parts[own[np.argmax(times[own])]] = 2
    return parts


# %% capstone.split_by_time
# mistake: the first ones
def split_by_time(users, times):
    parts = np.zeros(len(users), int)
    for u in set(users):
        own = np.flatnonzero(users == u)
        own = own[np.argsort(times[own], kind="stable")]
        if len(own) >= 3:
            parts[own[0]] = 2
            parts[own[1]] = 1
    return parts


# %% capstone.split_by_time
# mistake: by the clock
def split_by_time(users, times):
    order = np.argsort(times, kind="stable")
    parts = np.zeros(len(users), int)
    n = len(users)
    parts[order[int(0.8 * n):int(0.9 * n)]] = 1
    parts[order[int(0.9 * n):]] = 2
    return parts


# %% capstone.split_by_time
# mistake: a reversed stable sort: of equal times the first counts as the last
def split_by_time(users, times):
    parts = np.zeros(len(users), int)
    for u in set(users):
        own = np.flatnonzero(users == u)
        own = own[np.argsort(-times[own], kind="stable")]
        if len(own) >= 3:
            parts[own[0]] = 2
            parts[own[1]] = 1
    return parts


# %% capstone.recall_and_ndcg
# mistake: sums over users
def recall_and_ndcg(scores, seen, relevant, k):
    n, hits_all = [], 0
    for s, x, w in zip(scores, seen, relevant):
        if not w.any():
            continue
        hits = w[np.argsort(np.where(x, np.inf, -s), kind="stable")[:k]]
        hits_all += hits.sum()
        d = 1 / np.log2(np.arange(2, k + 2))
        n.append((hits * d).sum() / d[: w.sum()].sum())
    return hits_all / relevant.sum(), np.mean(n)


# %% capstone.recall_and_ndcg
# mistake: seen get score 0
def recall_and_ndcg(scores, seen, relevant, k):
    r, n = [], []
    for s, x, w in zip(scores, seen, relevant):
        if not w.any():
            continue
        hits = w[np.argsort(-np.where(x, 0, s), kind="stable")[:k]]
        r.append(hits.sum() / w.sum())
        d = 1 / np.log2(np.arange(2, k + 2))
        n.append((hits * d).sum() / d[: w.sum()].sum())
    return np.mean(r), np.mean(n)


# %% capstone.recall_and_ndcg
# mistake: DCG
def recall_and_ndcg(scores, seen, relevant, k):
    r, n = [], []
    for s, x, w in zip(scores, seen, relevant):
        if not w.any():
            continue
        hits = w[np.argsort(np.where(x, np.inf, -s), kind="stable")[:k]]
        r.append(hits.sum() / w.sum())
        n.append((hits / np.log2(np.arange(2, k + 2))).sum())
    return np.mean(r), np.mean(n)


# %% capstone.recall_and_ndcg
# mistake: lowest scores first
def recall_and_ndcg(scores, seen, relevant, k):
    r, n = [], []
    for s, x, w in zip(scores, seen, relevant):
        if not w.any():
            continue
        hits = w[np.argsort(np.where(x, np.inf, s), kind="stable")[:k]]
        r.append(hits.sum() / w.sum())
        d = 1 / np.log2(np.arange(2, k + 2))
        n.append((hits * d).sum() / d[: w.sum()].sum())
    return np.mean(r), np.mean(n)


# %% capstone.recall_and_ndcg
# mistake: the ideal counts all relevant items
def recall_and_ndcg(scores, seen, relevant, k):
    r, n = [], []
    for s, x, w in zip(scores, seen, relevant):
        if not w.any():
            continue
        hits = w[np.argsort(np.where(x, np.inf, -s), kind="stable")[:k]]
        r.append(hits.sum() / w.sum())
        dcg = sum(1 / np.log2(i + 2) for i, h in enumerate(hits) if h)
        n.append(dcg / sum(1 / np.log2(i + 2) for i in range(w.sum())))
    return np.mean(r), np.mean(n)


# %% capstone.align_labels
# mistake: zero for the other pieces
def align_labels(labels, word_ids, ignore):
    out, last = [], None
    for w in word_ids:
        out.append(ignore if w is None else 0 if w == last else labels[w])
        last = w
    return out


# %% capstone.align_labels
# mistake: counts the pieces
def align_labels(labels, word_ids, ignore):
    out, n = [], 0
    for w in word_ids:
        if w is None or n >= len(labels):
            out.append(ignore)
        else:
            out.append(labels[n])
            n += 1
    return out


# %% capstone.align_labels
# mistake: starts with -1 as the word before, and compares with the number of the next expected word
def align_labels(labels, word_ids, ignore):
    out, seen = [], []
    for w in word_ids:
        if w in seen:
            out.append(ignore)
        else:
            out.append(labels[w] if w is not None else 0)
            seen.append(w)
    return out


# %% capstone.align_labels
# mistake: numbers of the words
def align_labels(labels, word_ids, ignore):
    out, last = [], None
    for w in word_ids:
        out.append(ignore if w is None or w == last else w)
        last = w
    return out


# %% capstone.spans
# mistake: one span per word
def spans(tags):
    found = [(t[2:], i, i + 1) for i, t in enumerate(tags) if t != "O"]
    return [f[0] for f in found], [f[1] for f in found], [f[2] for f in found]


# %% capstone.spans
# mistake: strict, and the type of I ignored
def spans(tags):
    types, starts, ends, inside = [], [], [], False
    for i, tag in enumerate(tags):
        if tag.startswith("B"):
            types.append(tag[2:]); starts.append(i); ends.append(i + 1); inside = True
        elif tag.startswith("I") and inside:
            ends[-1] = i + 1
        else:
            inside = False
    return types, starts, ends


# %% capstone.spans
# mistake: a list of tuples
def spans(tags):
    found, of = [], None
    for i, tag in enumerate(tags):
        if tag == "O":
            of = None
        elif tag[0] == "B" or tag[2:] != of:
            found.append([tag[2:], i, i + 1]); of = tag[2:]
        else:
            found[-1][2] = i + 1
    return found


# %% capstone.spans
# mistake: whole tags as types
def spans(tags):
    types, starts, ends, of = [], [], [], None
    for i, tag in enumerate(tags):
        if tag == "O":
            of = None
        elif tag[0] == "B" or tag[2:] != of:
            types.append(tag); starts.append(i); ends.append(i + 1); of = tag[2:]
        else:
            ends[-1] = i + 1
    return types, starts, ends


# %% capstone.spans
# mistake: lengths
def spans(tags):
    types, starts, ends, of = [], [], [], None
    for i, tag in enumerate(tags):
        if tag == "O":
            of = None
        elif tag[0] == "B" or tag[2:] != of:
            types.append(tag[2:]); starts.append(i); ends.append(1); of = tag[2:]
        else:
            ends[-1] += 1
    return types, starts, ends


# %% capstone.span_f1
# mistake: types do not count
def span_f1(true, predicted):
    def spans(k, tags):
        found, of = [], None
        for i, tag in enumerate([*tags, "O"]):
            if tag == "O":
                of = None
            elif tag[0] == "B" or tag[2:] != of:
                found.append([k, i, i + 1]); of = tag[2:]
            else:
                found[-1][2] = i + 1
        return [tuple(x) for x in found]

    a = {s for k, tags in enumerate(true) for s in spans(k, tags)}
    b = {s for k, tags in enumerate(predicted) for s in spans(k, tags)}
    h = len(a & b)
    p, r = h / len(b) if b else 0, h / len(a) if a else 0
    return p, r, 2 * p * r / (p + r) if p + r else 0


# %% capstone.span_f1
# mistake: begins only
def span_f1(true, predicted):
    def begins(sentences):
        return {
            (k, i, t[2:]) for k, tags in enumerate(sentences) for i, t in enumerate(tags)
            if t != "O" and (t[0] == "B" or i == 0 or tags[i - 1][2:] != t[2:])
        }

    a, b = begins(true), begins(predicted)
    h = len(a & b)
    p, r = h / len(b) if b else 0, h / len(a) if a else 0
    return p, r, 2 * p * r / (p + r) if p + r else 0


# %% capstone.span_f1
# mistake: accuracy of the tags
def span_f1(true, predicted):
    a = [t for tags in true for t in tags]
    b = [t for tags in predicted for t in tags]
    acc = np.mean(np.array(a) == np.array(b))
    return acc, acc, acc


# %% capstone.span_f1
# mistake: mean of precision and recall
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
    return p, r, (p + r) / 2
