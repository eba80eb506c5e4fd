"""What README.md's table says of each lesson: the one list of them that there is."""

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROW = re.compile(
    r"^\| \[(?P<number>\d+) · (?P<title>[^]]+)\]\((?P<path>notebooks/\w+\.ipynb)\) \| (?P<about>[^|]+) \|",
    re.M,
)


@dataclasses.dataclass(frozen=True)
class Lesson:
    """A row of the table.

    Attributes:
        number: Its number, "00" and so on.
        title: Its name.
        path: Its notebook, from the repository's root.
        about: What is built in it.
    """

    number: str
    title: str
    path: str
    about: str

    @property
    def page(self):
        """Its page, as Sphinx calls it."""
        return self.path.removesuffix(".ipynb")

    @property
    def word(self):
        """Its word, which its module of course_lib has as well."""
        return pathlib.PurePath(self.path).stem.partition("_")[2]

    @property
    def exercise(self):
        """Its exercise's page, or None."""
        path = f"exercises/{pathlib.PurePath(self.path).name}"
        return path.removesuffix(".ipynb") if (ROOT / path).exists() else None


def table():
    """All lessons, in their order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [Lesson(**match.groupdict()) for match in ROW.finditer(text)]
