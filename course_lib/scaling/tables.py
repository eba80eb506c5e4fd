"""Tables of texts as files: read row by row, written again with two more columns.

A kind of file knows three things: how its rows are read (in chunks, in their order, so that memory stays
small), how a chunk is written with what was found, and how the written parts are joined. What cannot be read
as a row, or has no text that can be judged, is a row with a reason: nothing is lost without a word.
"""

import contextlib
import csv
import dataclasses
import io
import json
import pathlib
import shutil

from course_lib import imdb

LONGEST = 100_000  # Characters of a text; the longest review of IMDB has 13,704.
SHOWN = 10_000  # Characters of a rejected row that are kept.
NEW = ("predicted_label", "probability")
SUFFIXES = (".csv", ".jsonl", ".parquet")
FIELD = 131_072  # Characters of the longest field of a CSV file, as of `csv` by itself.


@dataclasses.dataclass(slots=True)
class Row:
    """A row of a table.

    Attributes:
        line: Where it begins: the line in the file from 1, of Parquet the row from 1.
        text: What is to be judged; None if the row is malformed.
        reason: Why it is malformed, or None.
        raw: The row as it stands in the file, of a malformed one.
        record: What its kind of file needs to write it again.
    """

    line: int
    text: str | None = None
    reason: str | None = None
    raw: str = ""
    record: object = None


def kind(path):
    """The class for a file, by its name's end.

    Args:
        path: The file; it need not exist.

    Returns:
        `Csv`, `JsonLines` or `Parquet`.

    Raises:
        ValueError: If its name ends in none of `SUFFIXES`.
    """
    known = dict(zip(SUFFIXES, (Csv, JsonLines, Parquet), strict=True))
    try:
        return known[pathlib.Path(path).suffix.lower()]
    except KeyError:
        raise ValueError(f"A table's name ends in one of {', '.join(SUFFIXES)}. Received: {path}") from None


@contextlib.contextmanager
def open_table(path, column="text"):
    """Opens a table to read.

    Args:
        path: The file.
        column: The column with the texts.

    Yields:
        A `Csv`, `JsonLines` or `Parquet`.

    Raises:
        ValueError: If the file is no such table or has no such column.
    """
    made = kind(path)
    with open(path, "rb") as file:
        yield made(path, file, column)


def fault(text):
    """Why a text cannot be judged, or None if it can be."""
    if text is None:
        return "no text"
    if not isinstance(text, str):
        return f"the text is no string: {type(text).__name__}"
    if len(text) > LONGEST:
        return f"the text is too long: {len(text):,} characters, {LONGEST:,} at most"
    if not imdb.clean(text.encode("utf-8", "replace").decode()):
        return "no text but white space or tags"
    return None


class _Lines:
    """The lines of a file as str, one at a time, however long: `csv` and `json` read what they give.

    Attributes:
        number: How many lines were given.
        cut: Whether a line since the last call of `raw` was longer than `most` bytes and lost its end.
    """

    def __init__(self, file, most):
        self._file, self._most = file, most
        self.number = 0
        self.raw()

    def __iter__(self):
        return self

    def __next__(self):
        line = rest = self._file.readline(self._most)
        if not line:
            raise StopIteration
        while rest and not rest.endswith(b"\n"):
            rest = self._file.readline(self._most)
            self.cut |= bool(rest)
        if not self.number:
            line = line.removeprefix(b"\xef\xbb\xbf")
        self.number += 1
        line = line.decode("utf-8", "surrogateescape")
        if self._size < self._most:
            self._held.append(line)
            self._size += len(line)
        return line

    def raw(self):
        """What was read since the last call; of very much, the beginning."""
        text = "".join(getattr(self, "_held", ()))
        self._held, self._size, self.cut = [], 0, False
        return text

    @property
    def position(self):
        """How many bytes have been read."""
        return self._file.tell()


def _utf8(text):
    """Whether text that was decoded with `surrogateescape` was UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(raw):
    raw = raw.rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return raw if len(raw) <= SHOWN else f"{raw[:SHOWN]} ..."


def _broken(error):
    """What `csv` found, for who wrote the table: a quote without an end takes what follows into its value."""
    if "field limit" in str(error):
        return f"a value of more than {FIELD:,} characters, or a quote that is not closed"
    return str(error)


class Csv:
    """A comma-separated file (RFC 4180) in UTF-8 whose first row names the columns.

    Args:
        path: Its name, for messages.
        file: The file, open in binary mode.
        column: The column with the texts.

    Attributes:
        columns: Names of the columns.
    """

    def __init__(self, path, file, column):
        self._lines = _Lines(file, 4 * LONGEST)
        self._reader = csv.reader(self._lines, strict=True)
        try:
            self.columns = self._next()
        except StopIteration:
            self.columns = None
        except csv.Error as error:
            raise ValueError(f"The first line of {path} is no CSV: {_broken(error)}.") from None
        if self.columns is None:
            raise ValueError(f"{path} is empty: its first line must name the columns.")
        if not all(map(_utf8, self.columns)):
            raise ValueError(f"The first line of {path} is not UTF-8.")
        self._place = _only(self.columns, column, path)

    def _next(self):
        # The limit is the whole process', and others raise it. A quote that is not closed must end somewhere.
        before = csv.field_size_limit(FIELD)
        try:
            return next(self._reader)
        finally:
            csv.field_size_limit(before)

    def __iter__(self):
        """Yields each `Row`; empty lines are none."""
        while True:
            self._lines.raw()
            line = self._lines.number + 1
            try:
                fields = self._next()
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, reason=f"broken CSV: {_broken(error)}", raw=_shown(self._lines.raw()))
                continue
            if not fields:
                continue
            text, reason = None, None
            if self._lines.cut:
                reason = "the line is too long"
            elif not all(map(_utf8, fields)):
                reason = "not UTF-8"
            elif len(fields) != len(self.columns):
                reason = (
                    f"wrong number of columns: {len(fields)}, and the first line names {len(self.columns)}"
                )
            else:
                text = fields[self._place]
                reason = fault(text)
            if reason:
                yield Row(line, reason=reason, raw=_shown(self._lines.raw()))
            else:
                yield Row(line, text, record=fields)

    @property
    def position(self):
        """How many bytes have been read."""
        return self._lines.position

    def value(self, row, name):
        """What a row has in a column, or None."""
        return row.record[self.columns.index(name)] if name in self.columns else None

    def header(self):
        """The first bytes of the new file."""
        return _csv([[*self.columns, *NEW]])

    def render(self, rows, results):
        """Rows with the two new columns, as bytes.

        Args:
            rows: List of `Row`, none malformed.
            results: A `(label, probability)` for each.
        """
        return _csv([*row.record, *result] for row, result in zip(rows, results, strict=True))

    def join(self, parts, target):
        """Writes rendered parts, files in their order, as one file."""
        _concatenate(self.header(), parts, target)


def _csv(rows):
    out = io.StringIO()
    plain = csv.writer(out, lineterminator="\n")
    quoted = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:  # Python's csv up to 3.12 leaves a lone carriage return bare, which ends a row.
        careful = any("\r" in field for field in row if isinstance(field, str))
        (quoted if careful else plain).writerow(row)
    return out.getvalue().encode()


def _only(columns, column, path):
    if columns.count(column) != 1:
        found = "no" if column not in columns else "more than one"
        raise ValueError(
            f"{path} has {found} column {column!r}; its columns are {', '.join(map(repr, columns))}. "
            "--column names another."
        )
    if taken := set(columns) & set(NEW):
        raise ValueError(f"{path} has columns of the names that are added: {', '.join(sorted(taken))}.")
    return columns.index(column)


def _concatenate(header, parts, target):
    with open(target, "wb") as out:
        out.write(header)
        for part in parts:
            with open(part, "rb") as file:
                shutil.copyfileobj(file, out)


class JsonLines:
    """A file with a JSON object on each line, in UTF-8. What is written keeps every byte of a row.

    Args:
        path: Its name, for messages.
        file: The file, open in binary mode.
        column: The key of the texts.
    """

    def __init__(self, path, file, column):
        self._lines = _Lines(file, 16 * LONGEST)
        self._column = column

    def __iter__(self):
        """Yields each `Row`; empty lines are none."""
        for line in self._lines:
            number = self._lines.number
            if not line.strip():
                continue
            text, reason = self._read(line)
            if reason:
                yield Row(number, reason=reason, raw=_shown(line))
            else:
                yield Row(number, text, record=line.strip())

    def _read(self, line):
        if self._lines.cut:
            self._lines.raw()
            return None, "the line is too long"
        if not _utf8(line):
            return None, "not UTF-8"
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            return None, f"broken JSON: {error}"
        if not isinstance(found, dict):
            return None, f"no JSON object: {type(found).__name__}"
        if taken := set(found) & set(NEW):
            return None, f"it has keys that are added: {', '.join(sorted(taken))}"
        return found.get(self._column), fault(found.get(self._column))

    @property
    def position(self):
        """How many bytes have been read."""
        return self._lines.position

    def value(self, row, name):
        """What a row has under a key, or None."""
        return json.loads(row.record).get(name)

    def render(self, rows, results):
        """Rows with the two new keys, as bytes; see `Csv.render`."""
        lines = []
        for row, result in zip(rows, results, strict=True):
            more = json.dumps(dict(zip(NEW, result, strict=True)), ensure_ascii=False)
            lines.append(f"{row.record[:-1].rstrip()}, {more[1:]}\n")
        return "".join(lines).encode()

    def join(self, parts, target):
        """Writes rendered parts, files in their order, as one file."""
        _concatenate(b"", parts, target)


class Parquet:
    """An Apache Parquet file; needs pyarrow.

    Args:
        path: Its name, for messages.
        file: The file, open in binary mode.
        column: The column with the texts.

    Attributes:
        columns: Names of the columns.
    """

    BATCH = 256  # Rows that are read at a time.
    GROUP = 2**15  # Rows of a group in what is written.

    def __init__(self, path, file, column):
        try:
            import pyarrow.parquet
        except ImportError:
            raise ImportError('Parquet needs pyarrow: pip install "course-lib[scale]"') from None
        self._arrow, self._file = pyarrow, file
        try:
            self._parquet = pyarrow.parquet.ParquetFile(file)
        except pyarrow.ArrowException as error:
            raise ValueError(f"{path} is no Parquet file: {error}") from None
        self._schema = self._parquet.schema_arrow
        self.columns = self._schema.names
        found = self._schema.field(_only(self.columns, column, path)).type
        types = pyarrow.types
        inner = found.value_type if types.is_dictionary(found) else found
        if not (types.is_string(inner) or types.is_large_string(inner)):
            raise ValueError(f"Column {column!r} of {path} holds {found}, not strings.")
        self._column, self._path, self.rows = column, path, self._parquet.metadata.num_rows
        self.position = 0

    def __iter__(self):
        """Yields each `Row`."""
        number = 0
        try:
            for batch in self._parquet.iter_batches(batch_size=self.BATCH):
                raw = batch.column(self._column)
                for place, cell in enumerate(self._binary(raw).to_pylist()):
                    number += 1
                    text, reason = self._text(cell)
                    if reason:
                        yield Row(number, reason=reason, raw=_shown(str(self._plain(batch.slice(place, 1)))))
                    else:
                        yield Row(number, text, record=(batch, place))
                self.position = number
        except self._arrow.ArrowException as error:
            raise ValueError(f"{self._path} is damaged after row {number}: {error}") from None

    def _binary(self, column):
        if self._arrow.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        large = self._arrow.types.is_large_string(column.type)
        return column.cast(self._arrow.large_binary() if large else self._arrow.binary())

    @staticmethod
    def _text(cell):
        try:
            text = None if cell is None else cell.decode()
        except UnicodeDecodeError:
            return None, "not UTF-8"
        return text, fault(text)

    def _plain(self, batch):
        """A row as a dict, whatever its strings hold."""
        found = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                found[name] = column[0].as_py()
            except UnicodeDecodeError:
                found[name] = self._binary(column)[0].as_py()
        return found

    def value(self, row, name):
        """What a row has in a column, or None."""
        batch, place = row.record
        return batch.column(name)[place].as_py() if name in self.columns else None

    def _new_schema(self):
        arrow = self._arrow
        label, probability = NEW
        return self._schema.append(arrow.field(label, arrow.string())).append(
            arrow.field(probability, arrow.float64())
        )

    def render(self, rows, results):
        """Rows with the two new columns, as the bytes of a Parquet file; see `Csv.render`."""
        arrow = self._arrow
        if rows:
            table = arrow.concat_tables(
                [
                    arrow.Table.from_batches([batch.slice(place, 1)])
                    for batch, place in (r.record for r in rows)
                ]
            )
        else:
            table = self._schema.empty_table()
        labels, probabilities = zip(*results, strict=True) if results else ((), ())
        columns = [*table.columns, arrow.array(labels, "string"), arrow.array(probabilities, "float64")]
        out = arrow.BufferOutputStream()
        arrow.parquet.write_table(arrow.Table.from_arrays(columns, schema=self._new_schema()), out)
        return out.getvalue().to_pybytes()

    def join(self, parts, target):
        """Writes rendered parts, files in their order, as one file."""
        arrow, waiting, rows = self._arrow, [], 0
        with arrow.parquet.ParquetWriter(target, self._new_schema()) as out:
            for part in parts:
                waiting.append(arrow.parquet.ParquetFile(part).read())
                rows += waiting[-1].num_rows
                if rows >= self.GROUP:
                    out.write_table(arrow.concat_tables(waiting))
                    waiting, rows = [], 0
            if rows:
                out.write_table(arrow.concat_tables(waiting))
