"""Reads and writes tables as spreadsheets and platforms do."""

import csv
import io
import pathlib
import re
import zipfile

from course_lib import runtime
from course_lib.grading import identity

# Spreadsheets take a cell that begins so for a formula, also behind blanks (OWASP, "CSV Injection").
_FORMULA = re.compile(r"\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]")
BYTES = 20 * 2**20
CELL_CHARACTERS = 100_000


def write_csv(path, rows, mark=True):
    """Writes a table, every cell quoted: spreadsheets of some countries also split at semicolons.

    Args:
        path: The file.
        rows: Lists of cells; None is an empty cell.
        mark: Whether to begin with the byte order mark by which a spreadsheet knows UTF-8. Platforms do not
            want it.
    """
    text = io.StringIO()
    table = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    table.writerows(map(plain, row) for row in rows)
    with runtime.atomic_write(path, private=True) as part:
        part.write_text(text.getvalue(), encoding="utf-8-sig" if mark else "utf-8")


def plain(value):
    """A value that no spreadsheet takes for a formula; a dash alone, as Moodle writes it, is none."""
    return f"'{value}" if isinstance(value, str) and value != "-" and _FORMULA.match(value) else value


def read_csv(path):
    """Reads a table that a spreadsheet or a platform wrote.

    Args:
        path: The file: UTF-8, or else as Windows writes it; separated by commas, semicolons or tabs.

    Returns:
        The list of column names, and a list of (line number, dict of cells by column).

    Raises:
        ValueError: If it is no such table.
    """
    path = pathlib.Path(path)
    shown = identity.printable(path)
    if not path.is_file():
        raise ValueError(f"There is no file {shown}.")
    with path.open("rb") as file:
        data = file.read(BYTES + 1)
    if len(data) > BYTES or b"\0" in data:
        raise ValueError(f"{shown} is not a table: save it as CSV (UTF-8).")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        rows = [
            (reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))
        ]
    except csv.Error as error:
        raise ValueError(f"{shown} is not a table: {error}.") from None
    # The reader's own limit is one for all of a process, and others raise it.
    if any(len(cell) > CELL_CHARACTERS for _, row in rows for cell in row):
        raise ValueError(f"{shown} is not a table: a cell has more than {CELL_CHARACTERS:,} characters.")
    if not rows:
        raise ValueError(f"{shown} is empty.")
    columns = rows[0][1]
    return columns, [(line, dict(zip(columns, row, strict=False))) for line, row in rows[1:]]


def column(columns, *names):
    """The first column that goes by one of these names, whatever the case and the blanks; or None."""
    known = {re.sub(r"[\W_]+", "", name).casefold(): name for name in reversed(columns)}
    return next((known[name] for name in names if name in known), None)


def write_zip(path, files, programs=()):
    """Writes a zip file, the same bytes for the same files.

    Args:
        path: The file.
        files: Bytes by name.
        programs: Names of those that can be executed.
    """
    with runtime.atomic_write(path, private=True) as part, zipfile.ZipFile(part, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = (0o100755 if name in programs else 0o100644) << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
