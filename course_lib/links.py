"""Addresses that name the repository: derived from its mention in pyproject.toml, rewritten for a fork."""

import pathlib
import re
import tomllib

from course_lib import runtime

BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
# GitHub allows no name of dots alone and takes `.git` for the end of an address.
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.+$)(?!.*\.git$)[A-Za-z0-9._-]{1,100}")
# What may name the repository: in badges, in install lines, as the address to clone.
FILES = (
    "README.md",
    "CONTRIBUTING.md",
    "CITATION.cff",
    "notebooks/*.ipynb",
    "exercises/*.ipynb",
    "solutions/*.ipynb",
    "course_lib/grading/project/notebook.md",
)


def repository(root):
    """The slug `owner/name` that `[project.urls]` of `root/pyproject.toml` states.

    Raises:
        ValueError: If it states none.
    """
    path = pathlib.Path(root) / "pyproject.toml"
    urls = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {}).get("urls", {})
    match = re.fullmatch(rf"https://github\.com/({SLUG.pattern})", urls.get("Repository", ""))
    if not match:
        raise ValueError(
            f"[project.urls] Repository in {path} must be https://github.com/OWNER/NAME. Received: {urls}"
        )
    return match[1]


def colab(slug, path):
    """The address that opens a notebook of the repository in Colab."""
    return f"https://colab.research.google.com/github/{slug}/blob/main/{path}"


def kaggle(slug, path):
    """The address that opens a notebook of the repository in Kaggle."""
    return f"https://www.kaggle.com/kernels/welcome?src=https://github.com/{slug}/blob/main/{path}"


def binder(slug, path):
    """The address that opens a notebook of the repository on Binder."""
    return f"https://mybinder.org/v2/gh/{slug}/main?urlpath=lab/tree/{path}"


def codespaces(slug):
    """The address that opens the repository in a GitHub Codespace."""
    return f"https://codespaces.new/{slug}"


def site(slug):
    """The address of the course's pages, as GitHub publishes those of a repository."""
    owner, name = slug.split("/")
    return f"https://{owner.lower()}.github.io/{name}/"


def badge(slug, path):
    """The Markdown of a notebook's Colab badge."""
    return f"[![Open in Colab]({BADGE})]({colab(slug, path)})"


def install_line(slug):
    """The line with which a notebook installs the course on Colab and Kaggle."""
    return f'%pip install --quiet "course-lib @ git+https://github.com/{slug}"'


def files(root):
    """The files that may name the repository, besides pyproject.toml."""
    root = pathlib.Path(root)
    return sorted(path for pattern in FILES for path in root.glob(pattern) if path.is_file())


def mentions(text, slug):
    """All addresses of `slug` in a text, as a compiled pattern's matches."""
    # The name ends here: before `.git`, a sentence's full stop or anything that no name contains.
    end = r"(?=\.git\b(?![.-]\w)|\.*(?![\w.-]))"
    before = r"(?<![\w.-])(?:github\.com[/:]|mybinder\.org/v2/gh/|codespaces\.new/)|/github/"
    return list(re.finditer(rf"({before}){re.escape(slug)}{end}", text))


def rewrite(root, new):
    """Makes pyproject.toml, badges and install lines name another repository.

    Args:
        root: The clone.
        new: The slug `owner/name` of the fork.

    Returns:
        The changed files.

    Raises:
        ValueError: If `new` is no slug or pyproject.toml names no repository. Nothing was written then.
    """
    if not SLUG.fullmatch(new):
        raise ValueError(f"A repository is named OWNER/NAME, for example you/course. Received: {new!r}")
    old = repository(root)
    if old == new:
        return []
    root = pathlib.Path(root)
    # pyproject.toml last: if a run is cut short, the next one still knows the old name.
    changed = []
    for path in [*files(root), root / "pyproject.toml"]:
        text = path.read_bytes().decode("utf-8")  # Not read_text, which would change the ends of lines.
        renamed = text
        for match in reversed(mentions(text, old)):
            renamed = renamed[: match.start()] + match[1] + new + renamed[match.end() :]
        renamed = renamed.replace(site(old), site(new))
        if renamed != text:
            with runtime.atomic_write(path) as temporary:
                temporary.write_bytes(renamed.encode("utf-8"))
            changed.append(path)
    return changed
