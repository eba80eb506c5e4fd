"""Builds the source archive and the wheel, looks into them and tries the wheel; `make dist` calls it.

    python tools/dist.py [--keep]      into dist/; --keep leaves the environment in which the wheel was tried

Nothing is downloaded. The wheel is made from the source archive, so that what is missing in one is missing in
both, and put into an environment of its own, which borrows everything else from .venv. So this does not try
whether the declared dependencies suffice and go together: tests/test_dependencies.py asks that of the lock,
and `make test-colab` installs them from the index.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What must not be in a package: work of one machine or one learner, and what belongs to the clone only.
CLUTTER = re.compile(
    r"(^|/)(tests?|notebooks|solutions|exercises|benchmarks|__pycache__|\.[^/]+)/|\.(pyc|ipynb|part|orig|bak|swp)$|"
    r"\.kept-\d|~$|(^|/)(\.DS_Store|Thumbs\.db)$"
)


DATA = ("Weights", "Reviews")  # The doctor's lines of what lies beside the package.


def build(folder):
    """Builds both into a folder; returns (source archive, wheel)."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        hatchling(ROOT, "sdist", work)
        (archive,) = work.glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(work / "source", filter="data")
        (source,) = (work / "source").iterdir()
        hatchling(source, "wheel", work)
        (wheel,) = work.glob("*.whl")
        return tuple(pathlib.Path(shutil.copy2(path, folder)) for path in (archive, wheel))


def hatchling(source, target, folder):
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"hatchling could not build the {target}:\n{done.stdout}{done.stderr}")


def contents(path):
    """The files of a source archive or a wheel: bytes by name, without an archive's one folder."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    with tarfile.open(path) as archive:
        files = [member for member in archive if member.isfile()]
        return {each.name.partition("/")[2]: archive.extractfile(each).read() for each in files}


def sources(committed):
    """The package's files as git knows them, those that are not committed yet on demand; without git, all."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached"]
    command += [] if committed else ["--others", "--exclude-standard"]
    if (ROOT / ".git").exists() and shutil.which("git"):
        command += ["--", "course_lib"]
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
        return {name for name in names if name and (ROOT / name).is_file()}
    found = (path.relative_to(ROOT) for path in (ROOT / "course_lib").rglob("*") if path.is_file())
    return {str(path) for path in found if "__pycache__" not in path.parts}


def problems(path, committed=True):
    """What is wrong with a built package, a line each; `committed`: it may hold nothing else of ours."""
    files = contents(path)
    package = {name for name in files if name.startswith("course_lib/")}
    wanted = sources(committed)
    found = [f"{name} is missing" for name in sorted(wanted - package)]
    found += [f"{name} is not in git" for name in sorted(package - wanted)]
    found += [f"{name} does not belong into it" for name in sorted(files) if CLUTTER.search(name)]
    places = {str(ROOT), sys.prefix, tempfile.gettempdir() + "/", str(pathlib.Path.home()) + "/"}
    for name, content in files.items():
        found += [f"{name} names {place}, of this machine" for place in places if place.encode() in content]
    return found


def environment(folder, wheel):
    """Installs a wheel into an environment that finds everything else in this one; returns its bin folder."""
    venv.create(folder, with_pip=False, symlinks=True)
    bin_folder = folder / "bin"
    command = [sys.executable, "-m", "pip", "--python", str(bin_folder / "python"), "install", "--quiet"]
    command += ["--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run(command, check=True)
    packages = pathlib.Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # A folder named so is searched, but its own .pth files are not read: the clone's editable install, which
    # is one of them, stays out.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    carriers = pathlib.Path(sys.prefix) / "carriers"
    if carriers.is_dir():
        (folder / "carriers").symlink_to(carriers)
    return bin_folder


def run(bin_folder, work, *command, statuses=(0,)):
    """What a command of an environment prints, run in another folder than the clone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COURSE_", "PYTHON"))}
    kept |= {"PATH": f"{bin_folder}:{os.environ['PATH']}", "COURSE_CACHE": str(work / "cache")}
    done = subprocess.run(command, cwd=work, env=kept, capture_output=True, text=True, check=False)
    if done.returncode not in statuses:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def attempt(bin_folder, work):
    """Runs what a user would run first."""
    imports = "from course_lib import imdb; print(imdb.__file__, imdb.clean('a<br />b'), sep='|')"
    where, cleaned = run(bin_folder, work, "python", "-c", imports).split("|")
    if not pathlib.Path(where).is_relative_to(bin_folder.parent) or cleaned != "a b":
        raise SystemExit(f"The package that was tried is not the wheel's: {where}, {cleaned!r}")
    print(run(bin_folder, work, "course", "--version"))
    if "predict" not in run(bin_folder, work, "course", "--help"):
        raise SystemExit("course --help does not name its commands")
    lines = json.loads(run(bin_folder, work, "course", "doctor", "--json", statuses=(0, 1)))
    # Where `make setup` could not fetch data and weights, only they may be missing.
    fetched = (bin_folder.parent / "carriers").exists()
    wrong = [each for each in lines if each["status"] == "problem" and (fetched or each["name"] not in DATA)]
    if wrong:
        raise SystemExit("\n".join(f"course doctor: {each['name']}: {each['detail']}" for each in wrong))
    print(f"course doctor: {len(lines)} lines, no problem")
    if fetched:
        print("course predict:", run(bin_folder, work, "course", "predict", "A warm and funny film."))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    packages = build(ROOT / "dist")
    wrong = [f"{path.name}: {problem}" for path in packages for problem in problems(path)]
    if wrong:
        raise SystemExit("\n".join(wrong))
    for path in packages:
        print(f"dist/{path.name}: {path.stat().st_size / 1e6:.1f} MB, {len(contents(path))} files")
    work = pathlib.Path(tempfile.mkdtemp(prefix="course-dist-"))
    try:
        (work / "elsewhere").mkdir()
        attempt(environment(work / "environment", packages[1]), work / "elsewhere")
    finally:
        if options.keep:
            print(f"The environment is {work / 'environment'}.")
        else:
            shutil.rmtree(work)


if __name__ == "__main__":
    main()
