"""Folders that are made whole and put in their place, where nothing may be lost."""

import os
import pathlib
import sys
import tempfile


def check(folder, kind, own):
    """Raises a ValueError if a folder cannot be put at a place, or something would be lost there.

    What is there already may be replaced only if it is such a folder, with no other files.

    Args:
        folder: The new folder. It is left as it is.
        kind: What it is called, such as `"bundle"`.
        own: Function from a folder that is there to the names of its files that may be replaced, relative to
            it; it raises a ValueError if that is no such folder.

    Returns:
        Whether such a folder is there.

    Raises:
        ValueError: What is in the way, and what to do.
    """
    folder = pathlib.Path(folder).resolve()
    above = next(parent for parent in folder.parents if parent.exists())
    try:
        tempfile.TemporaryDirectory(prefix=".course.", dir=above).cleanup()
    except OSError as error:
        raise ValueError(f"Cannot write into {above}: {error.strerror}. Choose another folder.") from None
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise ValueError(f"{folder} is there already and is no {kind}. Choose another name.")
    if os.path.ismount(folder) or pathlib.Path.cwd().is_relative_to(folder):
        raise ValueError(
            f"{folder} cannot be replaced as a whole: it is mounted, or you are in it. Name a folder inside."
        )
    if not any(folder.iterdir()):
        return False
    try:
        names = set(own(folder))
    except (OSError, ValueError):
        raise ValueError(f"{folder} is there already and is no {kind}. Choose another name.") from None
    if others := _others(folder, names):
        raise ValueError(
            f"{folder} is there already, with more than a {kind} in it: {', '.join(others[:3])}. "
            "Choose another name."
        )
    return True


def _others(folder, names):
    """What is in a folder beside the files of these names and the folders that they are in."""
    inside = {pathlib.Path(name).parent for name in names}
    inside |= {above for parent in inside for above in parent.parents}
    others = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        known = name in inside if path.is_dir() and not path.is_symlink() else name.as_posix() in names
        if not known:
            others.append(name.as_posix())
    return others


def move(part, folder, kind, own):
    """Puts a finished folder in its place.

    Args:
        part: The finished folder, on the same file system.
        folder: Where it shall be.
        kind: As in `check`.
        own: As in `check`.

    Raises:
        ValueError: As `check`, which is asked again: making the folder may have taken minutes.
    """
    if not check(folder, kind, own):
        part.rename(folder)  # Fails if something was put there just now.
        return
    old = part.with_name(f"{part.name}.old")
    folder.rename(old)
    try:
        part.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    try:
        for name in own(old):
            (old / name).unlink(missing_ok=True)
        for path in sorted((path for path in old.rglob("*") if path.is_dir()), reverse=True):
            path.rmdir()
        old.rmdir()
    except OSError:  # Something else was put there just now, or it may not be deleted.
        print(f"What was in {folder} before is in {old}.", file=sys.stderr)
