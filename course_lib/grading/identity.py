"""Tells from the name of a place whose submission it is, and which of two is the later one.

The outermost name decides: a learner chooses all names inside an upload, and must not take another's with
them.
"""

import dataclasses
import datetime
import re
import unicodedata
import zoneinfo

from course_lib import questions

SUFFIXES = (".ipynb", ".zip")
SLUG_BYTES = 100  # Names of files have at most 255, and a temporary one has more than the file's.

# How learning platforms name what they give out: Moodle "Ada Lovelace_12345_assignsubmission_file_" (a
# folder, or the beginning of a file's name; it takes underscores out of people's names), Canvas
# "lovelaceada_LATE_12345_67890_file-1.ipynb": the learner, the attachment, and the file's own name.
_MOODLE = re.compile(r"([^_]+)_(\d+)_assignsubmission_[a-z]+_?(.*)", re.DOTALL)
_CANVAS = re.compile(r"(.+?)(_late)?_(\d+)_(\d+)_(.+)", re.IGNORECASE | re.DOTALL)
_OWN_NAME = re.compile(r"\d\d[_-]([a-z]+(?:_[a-z]+)*)", re.IGNORECASE)  # As an exercise's file is named.


@dataclasses.dataclass(frozen=True)
class Learner:
    """Who handed something in.

    Attributes:
        name: As a table shows it.
        key: Equal for two submissions of one learner, and for those of no two learners.
        platform: `"moodle"`, `"canvas"`, `"nbgrader"`, or empty if no layout was recognised.
        number: The platform's own number of the learner; empty if its names hold none.
        late: Whether the platform says in the name that it came late.
        version: Of two submissions of one learner on one platform, the later has the greater one; `()` if the
            name does not tell.
    """

    name: str
    key: tuple[str, ...]
    platform: str = ""
    number: str = ""
    late: bool = False
    version: tuple = ()

    @property
    def own_name(self):
        """The name without the platform's number, printable."""
        return printable(self.name.removesuffix(f" ({self.number})"), 120)


def learner(names, fallback, trusted=None):
    """Tells whose a submission is.

    Args:
        names: The parts of its path below what was named on the command line; a zip is a part like a folder.
        fallback: The name to take if the path tells nothing.
        trusted: How many of the names come from the instructor or the platform; those that follow were chosen
            by the learner. None means all.

    Returns:
        A `Learner`.
    """
    trusted = len(names) if trusted is None else trusted
    if trusted:
        found = _moodle(names[0]) or _canvas(names[0])
        if found:
            return found
        if names[0] == "submitted" and trusted > 1 and len(names) > 3:  # submitted/LEARNER/ASSIGNMENT/FILE
            return Learner(names[1], ("nbgrader", names[1]), "nbgrader")
    stems = [*names[:-1], stem(names[-1])] if names else []
    if stems[:1] == ["submitted"] and trusted > 1:
        stems = stems[1:]
    if stems and _OWN_NAME.match(stems[-1]) and named_after(stems[-1]):
        stems.pop()
    name = "/".join(stems) or fallback
    return Learner(name, ("", name))


def on_platform(name):
    """Whether Moodle or Canvas names a file or folder so."""
    return bool(_moodle(name) or _canvas(name))


def _moodle(name):
    match = _MOODLE.fullmatch(name)
    return match and Learner(f"{match[1]} ({match[2]})", ("moodle", match[2]), "moodle", match[2])


def _canvas(name):
    match = _CANVAS.fullmatch(name)
    if not match:
        return None
    base, _, copy = stem(match[5]).rpartition("-")
    version = (int(copy), base) if base and copy.isdecimal() and len(copy) < 4 else (0, stem(match[5]))
    return Learner(
        f"{match[1]} ({match[3]})",
        ("canvas", match[3]),
        "canvas",
        match[3],
        bool(match[2]),
        (*version, int(match[4])),
    )


def later(one, other):
    """Whether `one` is the later of two Canvas submissions of one learner, None if their names do not tell.

    Canvas itself adds "-1", "-2" to a name that comes again, and numbers all attachments in their order.
    """
    if not one.version or not other.version:
        return None
    (copy, base, attachment), (other_copy, other_base, other_attachment) = one.version, other.version
    ranks = [(attachment, copy), (other_attachment, other_copy)]
    if base == other_base:
        ranks = [rank[::-1] for rank in ranks]
    return None if ranks[0] == ranks[1] else ranks[0] > ranks[1]


def named_after(name):
    """The lesson whose exercise a file is named after, such as "attention" for "01_attention-1"; else ""."""
    for match in _OWN_NAME.finditer(name):
        fitting = [t for t in questions.topics() if (match[1].lower() + "_").startswith(t + "_")]
        if fitting:
            return max(fitting, key=len)
    return ""


def suffix(name):
    """The suffix of a notebook's or a zip's name, in lower case; else empty."""
    return next((s for s in SUFFIXES if name.lower().endswith(s)), "")


def stem(name):
    """A name without the suffix of a notebook or a zip."""
    return name[: -len(suffix(name))] if suffix(name) else name


def printable(text, limit=1_000):
    """A name without control characters and other traps, at most `limit` characters."""
    text = unicodedata.normalize("NFC", str(text).encode("utf-8", "replace").decode())
    return "".join(c if c.isprintable() else "?" for c in text)[:limit]


def slug(text):
    """A text as the name of a file, at most `SLUG_BYTES` long."""
    text = re.sub(r"[^\w.]+", "-", printable(text, 60)).strip("-._").encode()[:SLUG_BYTES]
    return text.decode(errors="ignore").strip("-._") or "submission"


def read_time(text):
    """A time as people and platforms write it.

    Args:
        text: ISO 8601, or as nbgrader writes it, "2026-11-24 15:58:23.948203 Europe/Berlin". Without a zone
            it is this machine's time.

    Returns:
        A `datetime.datetime` with a zone.

    Raises:
        ValueError: If it is neither.
    """
    text = text.strip()
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        day, zone = text.rpartition(" ")[::2]
        try:
            found = datetime.datetime.fromisoformat(day).replace(tzinfo=zoneinfo.ZoneInfo(zone))
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            raise ValueError(
                f"Not a time: {printable(text, 60)!r}. Write it like 2026-11-24T23:59 or "
                "2026-11-24T23:59+01:00."
            ) from None
    return found if found.tzinfo else found.astimezone()
