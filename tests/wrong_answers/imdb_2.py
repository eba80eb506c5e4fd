# %% imdb.clean
# mistake: takes anything between < and > for a tag, so "<3 ... >" is eaten
import html
import re


def clean(text):
    text = re.sub(r"<[^>]*>", " ", text)
    text = html.unescape(text)
    return re.sub(r"\s+", " ", text).strip()


# %% imdb.clean
# mistake: decodes entities before it removes tags, so that "&lt;br&gt;" is removed as a tag
import html
import re


def clean(text):
    text = html.unescape(text)
    text = re.sub(r"</?[a-zA-Z][^<>]*>", " ", text)
    return " ".join(text.split())


# %% imdb.clean
# mistake: removes tags without a blank, so that words grow together
import html
import re


def clean(text):
    text = re.sub(r"</?[a-zA-Z][^<>]*>", "", text)
    text = html.unescape(text)
    return " ".join(text.split())


# %% imdb.duplicate_groups
# mistake: one pass over the pairs, which does not pass the smaller number on to those linked before
def duplicate_groups(count, pairs):
    groups = list(range(count))
    for a, b in pairs:
        smallest = min(groups[a], groups[b])
        groups[a] = smallest
        groups[b] = smallest
    return groups


# %% imdb.duplicate_groups
# mistake: joins root to root without regard to which is smaller, so the group's number is not its smallest index
def duplicate_groups(count, pairs):
    parent = list(range(count))

    def find(i):
        while parent[i] != i:
            i = parent[i]
        return i

    for a, b in pairs:
        parent[find(b)] = find(a)
    return [find(i) for i in range(count)]


# %% imdb.duplicate_groups
# mistake: returns the parents, not the roots: no last find
def duplicate_groups(count, pairs):
    parent = list(range(count))

    def find(i):
        while parent[i] != i:
            i = parent[i]
        return i

    for a, b in pairs:
        a, b = find(a), find(b)
        parent[max(a, b)] = min(a, b)
    return parent


# %% imdb.split
# mistake: takes random groups until the share of all examples is reached, without regard to labels
def split_by_groups(labels, groups, share):
    rng = np.random.default_rng(0)
    test = np.zeros(len(labels), dtype=bool)
    for group in rng.permutation(np.unique(groups)):
        if test.sum() >= share * len(labels):
            break
        test[groups == group] = True
    return test


# %% imdb.split
# mistake: chooses single examples of each label, without regard to groups, which are torn apart
def split_by_groups(labels, groups, share):
    rng = np.random.default_rng(0)
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        indices = rng.permutation(np.flatnonzero(labels == label))
        test[indices[: round(share * len(indices))]] = True
    return test


# %% imdb.split
# mistake: gives each group the label of its first example and takes the share of the groups, not of the examples
def split_by_groups(labels, groups, share):
    rng = np.random.default_rng(0)
    names, first = np.unique(groups, return_index=True)
    chosen = []
    for label in np.unique(labels):
        candidates = rng.permutation(names[labels[first] == label])
        chosen.extend(candidates[: round(share * len(candidates))])
    return np.isin(groups, chosen)


# %% imdb.cohen_kappa
# mistake: returns 1 for perfect agreement on one single label, not NaN
def cohen_kappa(first, second):
    observed = np.mean(first == second)
    expected = sum(np.mean(first == label) * np.mean(second == label) for label in np.unique(first))
    if expected == 1:
        return 1.0
    return float((observed - expected) / (1 - expected))


# %% imdb.cohen_kappa
# mistake: NaN as soon as one of the two gives a single label, instead of only when both give the same one
def cohen_kappa(first, second):
    if len(set(first)) == 1 or len(set(second)) == 1:
        return float("nan")
    labels = set(first) | set(second)
    p_o = sum(a == b for a, b in zip(first, second)) / len(first)
    p_e = sum(list(first).count(label) * list(second).count(label) for label in labels) / len(first) ** 2
    return float((p_o - p_e) / (1 - p_e))


# %% imdb.cohen_kappa
# mistake: chance from the labels of both annotators pooled (Scott's pi), not from each one's own shares
def cohen_kappa(first, second):
    agreement = np.mean(first == second)
    _, counts = np.unique(np.concatenate([first, second]), return_counts=True)
    shares = counts / counts.sum()
    chance = np.sum(shares**2)
    if chance == 1:
        return float("nan")
    return float((agreement - chance) / (1 - chance))


# %% imdb.wordpiece
# mistake: keeps the pieces found before the place where nothing fits and adds [UNK] behind them
def wordpiece(word, vocabulary):
    vocabulary = set(vocabulary)
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = word[start:end]
            if start > 0:
                piece = "##" + piece
            if piece in vocabulary:
                pieces.append(piece)
                start = end
                break
        else:
            pieces.append("[UNK]")
            break
    return pieces


# %% imdb.wordpiece
# mistake: takes the first piece of the vocabulary that fits, not the longest
def wordpiece(word, vocabulary):
    pieces = []
    rest = word
    while rest:
        for piece in vocabulary:
            if pieces:
                fits = piece.startswith("##") and rest.startswith(piece[2:])
            else:
                fits = rest.startswith(piece)
            if fits:
                break
        else:
            return ["[UNK]"]
        rest = rest[len(piece) - 2 if pieces else len(piece) :]
        pieces.append(piece)
    return pieces


# %% imdb.truncate
# mistake: slices with [-n:], which for n = 0 is the whole list
def truncate(token_ids, length, how):
    if len(token_ids) <= length:
        return token_ids
    if how == "head":
        return token_ids[:length]
    if how == "tail":
        return token_ids[-length:]
    tail = length // 2
    return token_ids[: length - tail] + token_ids[-tail:]


# %% imdb.truncate
# mistake: for an odd length "both" takes one more from the tail than from the head
def truncate(token_ids, length, how):
    n = len(token_ids)
    if n <= length:
        return token_ids
    if how == "head":
        return token_ids[:length]
    if how == "tail":
        return token_ids[n - length :]
    head = length // 2
    return token_ids[:head] + token_ids[n - (length - head) :]


# %% imdb.truncate
# mistake: "both" does not look whether the sequence is short, so that tokens appear twice
def truncate(token_ids, length, how):
    n = len(token_ids)
    if how == "head":
        return token_ids[:length]
    if how == "tail":
        return token_ids[max(0, n - length) :]
    head = (length + 1) // 2
    tail = length // 2
    return token_ids[:head] + token_ids[max(0, n - tail) :]


# %% imdb.pad
# mistake: takes each pad_id for padding in the mask, also where it is a token
def pad(sequences, pad_id=0):
    width = max(len(s) for s in sequences)
    token_ids = np.array([list(s) + [pad_id] * (width - len(s)) for s in sequences])
    return token_ids, token_ids != pad_id


# %% imdb.pad
# mistake: pads with 0 whatever pad_id is
def pad(sequences, pad_id=0):
    width = max(map(len, sequences))
    token_ids = np.zeros((len(sequences), width), dtype=int)
    mask = np.zeros((len(sequences), width), dtype=bool)
    for i, sequence in enumerate(sequences):
        token_ids[i, : len(sequence)] = sequence
        mask[i, : len(sequence)] = True
    return token_ids, mask


# %% imdb.pad
# mistake: mask of 1 and 0 instead of True and False
def pad(sequences, pad_id=0):
    width = max(len(sequence) for sequence in sequences)
    token_ids, padding_mask = [], []
    for sequence in sequences:
        missing = width - len(sequence)
        token_ids.append(list(sequence) + [pad_id] * missing)
        padding_mask.append([1] * len(sequence) + [0] * missing)
    return np.array(token_ids), np.array(padding_mask)


# %% imdb.batches_by_length
# mistake: orders by length, not by the rounded width
def batches_by_length(lengths, batch_size, multiple):
    order = np.argsort(lengths, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


# %% imdb.batches_by_length
# mistake: argsort without kind="stable", so examples of equal width may change their order
def batches_by_length(lengths, batch_size, multiple):
    widths = np.ceil(lengths / multiple) * multiple
    order = np.argsort(widths)
    return [order[i : i + batch_size].tolist() for i in range(0, len(order), batch_size)]


# %% imdb.batches_by_length
# mistake: rounds down (floor division), so an exact multiple falls into the next width
def batches_by_length(lengths, batch_size, multiple):
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i] // multiple, i))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
