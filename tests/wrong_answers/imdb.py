# %% imdb.clean
# mistake: takes everything between < and > for a tag, also where no letter follows the <
import html
import re


def clean(text):
    text = re.sub(r"<[^>]+>", " ", text)
    text = html.unescape(text)
    return re.sub(r"\s+", " ", text).strip()


# %% imdb.clean
# mistake: decodes the entities first, so that an escaped &lt;br&gt; is removed as a tag
import html
import re


def clean(text):
    text = html.unescape(text)
    text = re.sub(r"</?[a-zA-Z][^<>]*>", " ", text)
    return " ".join(text.split())


# %% imdb.clean
# mistake: removes a tag without leaving a blank, so that the words around it stick together
import html
import re


def clean(text):
    tag = re.compile(r"</?[A-Za-z][^<>]*>")
    text = tag.sub("", text)
    text = html.unescape(text)
    return " ".join(text.split())


# %% imdb.clean
# mistake: squeezes white space before decoding, so that &nbsp; brings in new white space
import html
import re


def clean(text):
    text = re.sub(r"</?[a-zA-Z][^<>]*>", " ", text)
    text = re.sub(r"\s+", " ", text).strip()
    return html.unescape(text)


# %% imdb.duplicate_groups
# mistake: one pass over the pairs passes numbers on only from left to right: chains are not followed back
def duplicate_groups(count, pairs):
    groups = np.arange(count)
    for a, b in pairs:
        groups[b] = min(groups[a], groups[b])
    return groups


# %% imdb.duplicate_groups
# mistake: joins the roots without taking the smaller one, so a group is not named by its smallest index
def duplicate_groups(count, pairs):
    parent = list(range(count))

    def find(i):
        while parent[i] != i:
            i = parent[i]
        return i

    for a, b in pairs:
        parent[find(b)] = find(a)
    return np.array([find(i) for i in range(count)])


# %% imdb.duplicate_groups
# mistake: numbers the groups 0, 1, 2, ... instead of naming each by its smallest index
def duplicate_groups(count, pairs):
    neighbours = [[] for _ in range(count)]
    for a, b in pairs:
        neighbours[a].append(b)
        neighbours[b].append(a)
    group = np.full(count, -1)
    number = 0
    for start in range(count):
        if group[start] >= 0:
            continue
        stack = [start]
        while stack:
            i = stack.pop()
            if group[i] < 0:
                group[i] = number
                stack.extend(neighbours[i])
        number += 1
    return group


# %% imdb.duplicate_groups
# mistake: returns the parents, one step up the chain, instead of the roots
def duplicate_groups(count, pairs):
    parent = np.arange(count)

    def find(i):
        while parent[i] != i:
            i = parent[i]
        return i

    for a, b in pairs:
        ra, rb = find(a), find(b)
        parent[max(ra, rb)] = min(ra, rb)
    return parent


# %% imdb.split
# mistake: draws single examples of each label and ignores the groups, which leak
def split_by_groups(labels, groups, share):
    rng = np.random.default_rng(0)
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        where = np.flatnonzero(labels == label)
        rng.shuffle(where)
        test[where[: round(share * len(where))]] = True
    return test


# %% imdb.split
# mistake: draws whole groups until the total is right, but does not look at the labels
def split_by_groups(labels, groups, share):
    rng = np.random.default_rng(42)
    order = rng.permutation(np.unique(groups))
    test = np.zeros(len(labels), dtype=bool)
    for g in order:
        if test.sum() >= share * len(labels):
            break
        test[groups == g] = True
    return test


# %% imdb.split
# mistake: draws examples by label and then pulls in the rest of their groups, so the test part grows too large
def split_by_groups(labels, groups, share):
    rng = np.random.default_rng(0)
    chosen = []
    for label in np.unique(labels):
        index = rng.permutation(np.where(labels == label)[0])
        chosen.extend(index[: int(round(share * len(index)))])
    return np.isin(groups, groups[np.array(chosen, dtype=int)])


# %% imdb.split
# mistake: goes on taking groups until every label has enough, so that the label that is filled first overshoots
def split_by_groups(labels, groups, share):
    names = np.unique(labels)
    target = {n: share * np.sum(labels == n) for n in names}
    have = {n: 0 for n in names}
    test = np.zeros(labels.shape, dtype=bool)
    for g in np.unique(groups):
        if all(have[n] >= target[n] for n in names):
            break
        members = groups == g
        test |= members
        for n in names:
            have[n] += np.sum(labels[members] == n)
    return test


# %% imdb.cohen_kappa
# mistake: takes chance agreement to be 1 / number of labels
def cohen_kappa(first, second):
    first, second = np.asarray(first), np.asarray(second)
    labels = np.unique(np.concatenate([first, second]))
    observed = np.mean(first == second)
    expected = 1 / len(labels)
    return (observed - expected) / (1 - expected)


# %% imdb.cohen_kappa
# mistake: pools both annotators and squares the common shares (Scott's pi)
def cohen_kappa(first, second):
    first, second = np.array(first), np.array(second)
    po = (first == second).mean()
    both = np.concatenate([first, second])
    _, counts = np.unique(both, return_counts=True)
    pe = np.sum((counts / counts.sum()) ** 2)
    return float((po - pe) / (1 - pe))


# %% imdb.cohen_kappa
# mistake: counts with bincount, which raises for labels that are strings
def cohen_kappa(first, second):
    first, second = np.asarray(first), np.asarray(second)
    n = len(first)
    k = max(first.max(), second.max()) + 1
    p = np.bincount(first, minlength=k) / n
    q = np.bincount(second, minlength=k) / n
    agree = np.sum(first == second) / n
    chance = p @ q
    return float((agree - chance) / (1 - chance))


# %% imdb.cohen_kappa
# mistake: calls it perfect agreement, 1.0, if both give the same one label to all items; it is NaN
def cohen_kappa(first, second):
    n = len(first)
    agree = sum(a == b for a, b in zip(first, second)) / n
    chance = 0.0
    for label in set(first) | set(second):
        share_1 = sum(a == label for a in first) / n
        share_2 = sum(b == label for b in second) / n
        chance += share_1 * share_2
    if chance == 1:
        return 1.0
    return float((agree - chance) / (1 - chance))


# %% imdb.wordpiece
# mistake: keeps the pieces found so far and adds [UNK] for the rest
def wordpiece(word, vocabulary):
    pieces = []
    start = 0
    while start < len(word):
        end = len(word)
        piece = None
        while end > start:
            candidate = word[start:end]
            if start > 0:
                candidate = "##" + candidate
            if candidate in vocabulary:
                piece = candidate
                break
            end -= 1
        if piece is None:
            pieces.append("[UNK]")
            break
        pieces.append(piece)
        start = end
    return pieces


# %% imdb.wordpiece
# mistake: takes the first piece of the vocabulary that fits, not the longest
def wordpiece(word, vocabulary):
    result = []
    rest = word
    while rest:
        for piece in vocabulary:
            inside = piece.startswith("##")
            text = piece[2:] if inside else piece
            if text and inside == bool(result) and rest.startswith(text):
                result.append(piece)
                rest = rest[len(text) :]
                break
        else:
            return ["[UNK]"]
    return result


# %% imdb.wordpiece
# mistake: the range stops one too early: pieces of a single character are never tried
def wordpiece(word, vocabulary):
    known = set(vocabulary)
    out, start = [], 0
    while start < len(word):
        for end in range(len(word), start + 1, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in known:
                out.append(piece)
                start = end
                break
        else:
            return ["[UNK]"]
    return out


# %% imdb.wordpiece
# mistake: goes back and tries a shorter piece when the rest cannot be split
def wordpiece(word, vocabulary):
    def split(start):
        if start == len(word):
            return []
        for end in range(len(word), start, -1):
            piece = word[start:end] if start == 0 else "##" + word[start:end]
            if piece in vocabulary:
                rest = split(end)
                if rest is not None:
                    return [piece] + rest
        return None

    pieces = split(0)
    return ["[UNK]"] if pieces is None else pieces


# %% imdb.truncate
# mistake: the slice [-0:] of the tail is the whole list when length is 0
def truncate(token_ids, length, how):
    if len(token_ids) <= length:
        return list(token_ids)
    if how == "head":
        return token_ids[:length]
    if how == "tail":
        return token_ids[-length:]
    head = (length + 1) // 2
    tail = length - head
    return token_ids[:head] + token_ids[len(token_ids) - tail :]


# %% imdb.truncate
# mistake: with an odd length "both" takes one more from the tail instead of from the head
def truncate(token_ids, length, how):
    n = len(token_ids)
    if n <= length:
        return token_ids
    if how == "head":
        keep = range(length)
    elif how == "tail":
        keep = range(n - length, n)
    else:
        half = length // 2
        keep = list(range(half)) + list(range(n - (length - half), n))
    return [token_ids[i] for i in keep]


# %% imdb.truncate
# mistake: does not check whether the sequence is short already, so "both" repeats its middle
def truncate(token_ids, length, how):
    n = len(token_ids)
    if how == "head":
        return token_ids[:length]
    if how == "tail":
        return token_ids[max(n - length, 0) :]
    head = length - length // 2
    tail = length // 2
    return token_ids[:head] + token_ids[max(n - tail, 0) :]


# %% imdb.truncate
# mistake: two: "both" loses a token if length is odd, and [-0:] returns everything for lengths 0 and 1
def truncate(token_ids, length, how):
    if len(token_ids) <= length:
        return token_ids
    if how == "head":
        return token_ids[:length]
    elif how == "tail":
        return token_ids[-length:]
    elif how == "both":
        half = length // 2
        return token_ids[:half] + token_ids[-half:]


# %% imdb.pad
# mistake: makes the mask by comparing with pad_id, which may be a token of the text
def pad(sequences, pad_id=0):
    width = max(len(s) for s in sequences)
    token_ids = np.full((len(sequences), width), pad_id)
    for i, s in enumerate(sequences):
        token_ids[i, : len(s)] = s
    return token_ids, token_ids != pad_id


# %% imdb.pad
# mistake: fills with zeros, whatever pad_id is
def pad(sequences, pad_id=0):
    lengths = np.array([len(s) for s in sequences])
    token_ids = np.zeros((len(sequences), lengths.max()), dtype=int)
    mask = np.arange(lengths.max()) < lengths[:, None]
    for row, s in zip(token_ids, sequences):
        row[: len(s)] = s
    return token_ids, mask


# %% imdb.pad
# mistake: takes the lengths for the mask after the sequences have been padded: it is True everywhere
def pad(sequences, pad_id=0):
    width = max(map(len, sequences))
    rows, mask = [], []
    for sequence in sequences:
        row = list(sequence)
        while len(row) < width:
            row.append(pad_id)
        rows.append(row)
        mask.append([True] * len(row) + [False] * (width - len(row)))
    return np.array(rows, dtype=int), np.array(mask, dtype=bool)


# %% imdb.pad
# mistake: the mask is the wrong way round: True for padding
def pad(sequences, pad_id=0):
    width = max(len(s) for s in sequences)
    ids = np.array([s + [pad_id] * (width - len(s)) for s in sequences], dtype=int)
    lengths = np.array([len(s) for s in sequences])
    padding_mask = np.arange(width)[None, :] >= lengths[:, None]
    return ids, padding_mask


# %% imdb.batches_by_length
# mistake: orders by the length itself and never rounds to the width
def batches_by_length(lengths, batch_size, multiple):
    order = np.argsort(lengths, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


# %% imdb.batches_by_length
# mistake: rounds up by // + 1, so that a length that is a multiple already goes one step too far
def batches_by_length(lengths, batch_size, multiple):
    widths = [(int(n) // multiple + 1) * multiple for n in lengths]
    order = sorted(range(len(lengths)), key=lambda i: (widths[i], i))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


# %% imdb.batches_by_length
# mistake: argsort without kind="stable" does not keep examples of equal width in the order of their index
def batches_by_length(lengths, batch_size, multiple):
    widths = np.ceil(np.asarray(lengths) / multiple) * multiple
    order = np.argsort(widths)
    batches = []
    for start in range(0, len(order), batch_size):
        batches.append(order[start : start + batch_size].tolist())
    return batches


# %% imdb.batches_by_length
# mistake: two: rounds down instead of up, and drops the last batch if it is not full
def batches_by_length(lengths, batch_size, multiple):
    widths = lengths // multiple * multiple
    order = np.argsort(widths, kind="stable")
    count = len(order) // batch_size
    return [order[b * batch_size : (b + 1) * batch_size] for b in range(count)]
