"""The class list: who is in it and handed nothing in, and who handed in and is not in it."""

import collections
import dataclasses
import pathlib
import re
import unicodedata

import yaml

from course_lib.grading import identity, tables


@dataclasses.dataclass(frozen=True)
class Person:
    """One of the class.

    Attributes:
        id: As the platform or the school numbers or names them.
        name: As the list writes it.
        email: Or login; empty if the list has none.
        row: The whole row, by column, for the platform that it came from.
    """

    id: str
    name: str
    email: str
    row: dict = dataclasses.field(default_factory=dict, compare=False, hash=False)


def read(path):
    """Reads a class list.

    Args:
        path: A CSV file with the columns id, name and email, of which one is enough. The names that Moodle's
            grading worksheet, Canvas' gradebook and nbgrader give these columns are known. Or the
            submission_metadata.yml of a download from Gradescope.

    Returns:
        List of `Person`.

    Raises:
        ValueError: If it is no such file, or two have one id.
    """
    if pathlib.Path(path).suffix in (".yml", ".yaml"):
        return _gradescope(path)
    columns, rows = tables.read_csv(path)
    number = tables.column(columns, "identifier", "id", "studentid", "userid", "sisuserid", "idnumber",
                           "username", "student number", "sid", "number", "matriculationnumber")  # fmt: skip
    name = tables.column(columns, "fullname", "name", "studentname", "student")
    first = tables.column(columns, "firstname", "givenname")
    last = tables.column(columns, "lastname", "surname", "familyname")
    email = tables.column(columns, "email", "emailaddress", "mail", "sisloginid", "login", "loginid")
    if not (number or name or email or (first and last)):
        raise ValueError(
            f"{identity.printable(path)} has no column id, name or email. It has: "
            f"{identity.printable(', '.join(columns), 200)}"
        )
    people, seen = [], set()
    for line, row in rows:
        own = row.get(name, "") if name else f"{row.get(first, '')} {row.get(last, '')}".strip()
        person = Person(row.get(number, ""), own, row.get(email, ""), row)
        if own.casefold() == "points possible" or own in ("Student, Test", "Test Student"):
            continue  # Canvas' second row, and its own test student.
        if not (person.id or person.name or person.email):
            continue
        if person.id and person.id in seen:
            raise ValueError(
                f"{identity.printable(path)}, line {line}: the id {person.id!r} stands there twice."
            )
        seen.add(person.id)
        people.append(person)
    if not people:
        raise ValueError(f"{identity.printable(path)} names nobody.")
    return people


def _gradescope(path):
    """Whose each folder of a download from Gradescope is; who did not hand in is not in it."""
    shown = identity.printable(path)
    try:
        with pathlib.Path(path).open("rb") as file:
            known = yaml.load(file, yaml.CSafeLoader)
        return [
            Person(
                folder,
                "; ".join(str(one[":name"]) for one in entry[":submitters"]),
                "; ".join(str(one.get(":email") or "") for one in entry[":submitters"]),
                {":created_at": entry.get(":created_at")},
            )
            for folder, entry in known.items()
        ]
    except FileNotFoundError:
        raise ValueError(f"There is no file {shown}.") from None
    except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{shown} is no submission_metadata.yml of a download from Gradescope ({type(error).__name__})."
        ) from None


def match(people, found):
    """Finds each learner in the class list: by the platform's number, id, email, or a name that fits one.

    Args:
        people: List of `Person`.
        found: List of `submissions.Submission`.

    Returns:
        A dict of `Person` by submission id; who is not in the list has no entry.
    """
    by = collections.defaultdict(set)
    for index, person in enumerate(people):
        for kind, key in _keys(person):
            by[kind, key].add(index)
    matches = {}
    for submission in found:
        learner = submission.learner
        own = learner.own_name
        tries = [("number", learner.number)] if learner.number else []
        tries += [("id", own.casefold()), ("login", own.casefold()), ("name", _letters(own))]
        for kind, key in tries:
            if not key or len(by.get((kind, key), ())) != 1:
                continue
            person = people[next(iter(by[kind, key]))]
            # A school's own numbers may be those of other people on the platform.
            if kind == "number" and not _of_platform(person) and ("name", _letters(own)) not in _keys(person):
                continue
            matches[submission.id] = person
            break
    return matches


def _of_platform(person):
    """Whether the list is Moodle's or Canvas' own, so that its ids are the numbers in the files' names."""
    return bool(tables.column(person.row, "identifier") or tables.column(person.row, "sisloginid"))


def _keys(person):
    """What a person may go by, as pairs of a kind and a key."""
    yield "id", person.id.casefold()
    digits = re.fullmatch(r"\D*(\d+)", person.id)  # Moodle: "Participant 12345".
    if digits:
        yield "number", digits[1]
    if person.email:
        yield "login", person.email.casefold()
        yield "login", person.email.casefold().partition("@")[0]
    if person.name:
        yield "name", _letters(person.name)
        last, comma, first = person.name.partition(",")
        words = [first, last] if comma else person.name.rsplit(" ", 1)[::-1]
        yield "name", _letters("".join(words))  # Canvas writes "lovelaceada".


def _letters(name):
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def write(path, people, matches, rows):
    """Writes who handed in, who is missing and who is unknown; returns notes for the summary."""
    by = collections.defaultdict(list)
    for row in rows:
        by[matches.get(row.result["id"])].append(row.result["id"])
    table = [["what", "id", "name", "email", "submissions"]]
    for person in people:
        ids = by.get(person, [])
        what = "handed in" if ids else "missing"
        table.append([what, person.id, person.name, person.email, " ".join(ids)])
    table += [
        ["unknown", row.number, row.result["student"], "", row.result["id"]]
        for row in rows
        if row.result["id"] not in matches
    ]
    tables.write_csv(path, table)
    missing = sum(person not in by for person in people)
    unknown = len(by.get(None, []))
    if not missing and not unknown:
        return [f"All {len(people)} of the class list handed in."]
    return [
        f"In the class list: {len(people)}. Of them handed nothing in: {missing}. Submissions of nobody in "
        f"it: {unknown}. See {path}"
    ]
