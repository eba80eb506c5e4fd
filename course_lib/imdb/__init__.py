"""Lesson 02: movie reviews from their source to `tf.data`.

The Large Movie Review Dataset (Maas et al. 2011, "Learning Word Vectors for Sentiment Analysis", ACL) has
25,000 training and 25,000 test reviews, labelled positive (7 to 10 stars) or negative (1 to 4), and 50,000
without a label. The course works on the 25,000 training reviews, split anew (`load`).

A module per idea: `sources` (archive and carrier), `forms` (what people have instead), `corpus` (the
splits), `splits` (cleaning, near-duplicates, stratified splits), `labels` (human raters and their agreement),
`tokens`, `batching`, `baseline`.
"""

from course_lib.imdb.baseline import linear_baseline
from course_lib.imdb.batching import batch_sequences, batches, batches_by_length, padded_batches
from course_lib.imdb.corpus import Corpus, Official, Split, load, load_official, status
from course_lib.imdb.labels import (
    Rated,
    cohen_kappa,
    flip,
    krippendorff_alpha,
    rated,
    sentences,
)
from course_lib.imdb.sources import ARCHIVE, BYTES, SHA256, SOURCES, fetch, read_archive
from course_lib.imdb.splits import clean, duplicate_groups, near_duplicates, stratified_split
from course_lib.imdb.tokens import encode, pad, train_wordpiece, truncate, wordpiece

__all__ = [
    "ARCHIVE",
    "BYTES",
    "SHA256",
    "SOURCES",
    "Corpus",
    "Official",
    "Rated",
    "Split",
    "batch_sequences",
    "batches",
    "batches_by_length",
    "clean",
    "cohen_kappa",
    "duplicate_groups",
    "encode",
    "fetch",
    "flip",
    "krippendorff_alpha",
    "linear_baseline",
    "load",
    "load_official",
    "near_duplicates",
    "pad",
    "padded_batches",
    "rated",
    "read_archive",
    "sentences",
    "status",
    "stratified_split",
    "train_wordpiece",
    "truncate",
    "wordpiece",
]
