"""What the package asks for: Colab's versions satisfy it, and the lock holds all of it."""

import importlib.metadata
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = ["3.11", "3.12", "3.13"]


def requirements(*extras):
    """Declared requirements: the base ones and those of extras, which may name each other."""
    found = [Requirement(text) for text in PROJECT["dependencies"]]
    for extra in extras:
        for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
            if canonicalize_name(requirement.name) == PROJECT["name"]:
                found += requirements(*requirement.extras)
            else:
                found.append(requirement)
    return found


def pins(path):
    """The `name==version` lines of a requirements file, without comments and hashes."""
    text = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8"))
    lines = [line.split("--hash")[0].split(" #")[0].strip() for line in text.splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def environment(python, **others):
    return {**default_environment(), "python_version": python, "python_full_version": f"{python}.9", **others}


def locked(python, **others):
    """Name to version, as the lock gives them to one Python; fails if one package is given twice."""
    chosen = {}
    for pin in pins(ROOT / "requirements.lock"):
        if pin.marker is None or pin.marker.evaluate(environment(python, **others)):
            (specifier,) = pin.specifier
            name = canonicalize_name(pin.name)
            assert name not in chosen, f"{name} is locked twice for Python {python}"
            assert specifier.operator == "=="
            chosen[name] = Version(specifier.version)
    return chosen


COLAB = pins(ROOT / "tests" / "colab-pins.txt")


# Colab


@pytest.mark.parametrize("pin", COLAB, ids=str)
def test_colab_pins_satisfy_the_declared_ranges(pin):
    (specifier,) = pin.specifier
    assert specifier.operator == "=="
    for requirement in requirements():
        if canonicalize_name(requirement.name) == canonicalize_name(pin.name):
            assert requirement.specifier.contains(specifier.version), f"{requirement} excludes Colab's {pin}"


def test_colab_pins_cover_the_frameworks():
    pinned = {canonicalize_name(pin.name) for pin in COLAB}
    assert {
        "tensorflow",
        "keras",
        "keras-hub",
        "keras-nlp",
        "tensorflow-text",
        "numpy",
        "matplotlib",
    } <= pinned
    assert {"rich", "typer", "ipykernel", "protobuf"} <= pinned


@pytest.fixture(scope="module")
def resolve(tmp_path_factory):
    """A function that lets uv resolve requirements; skips where that cannot be done."""
    if importlib.util.find_spec("uv") is None:
        pytest.skip("uv is not installed (it is in the dev extra)")
    folder = tmp_path_factory.mktemp("uv")
    variables = {**os.environ, "UV_CACHE_DIR": str(folder / "cache")}
    index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL")
    if index:  # As in tools/setup.sh: a mirror that pip was told of serves uv as well.
        variables["UV_DEFAULT_INDEX"] = index

    def run(python, *inputs):
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--no-header"]
        command += ["--no-annotate", "--python-version", python, "--python-platform", "x86_64-manylinux_2_28"]
        return subprocess.run(
            [*command, *map(str, inputs)],
            env=variables, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    (folder / "probe.in").write_text("packaging\n")
    probe = run("3.13", folder / "probe.in")
    if probe.returncode:
        pytest.skip(f"no package index is within reach: {probe.stderr.strip().splitlines()[-1]}")
    return run


@pytest.mark.parametrize("python", ["3.13", "3.12"])
def test_the_package_resolves_with_colabs_pins(resolve, python, tmp_path):
    result = resolve(python, "pyproject.toml", "tests/colab-pins.txt")

    assert result.returncode == 0, result.stderr
    (tmp_path / "resolved.txt").write_text(result.stdout)
    resolved = {canonicalize_name(pin.name): str(pin.specifier) for pin in pins(tmp_path / "resolved.txt")}
    for pin in COLAB:
        assert resolved[canonicalize_name(pin.name)] == str(pin.specifier)
    for requirement in requirements():
        assert canonicalize_name(requirement.name) in resolved


# Extras


def test_what_colab_has_of_its_own_is_no_base_dependency():
    base = {canonicalize_name(requirement.name) for requirement in requirements()}
    assert not base & {"jupyterlab", "notebook", "ipykernel", "nbval", "pytest", "ruff", "jax", "torch", "uv"}
    assert {"jupyterlab", "nbval"} <= {canonicalize_name(item.name) for item in requirements("dev")}
    assert "jupyterlab" in {canonicalize_name(item.name) for item in requirements("lab")}


def test_no_declared_range_has_an_upper_end():
    """Colab moves: an upper end would make pip replace what it has."""
    for requirement in requirements("dev"):
        for specifier in requirement.specifier:
            assert specifier.operator in (">=", "!="), str(requirement)


# The lock


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_pyproject(python):
    versions = locked(python)
    for requirement in requirements("dev"):
        if requirement.marker is None or requirement.marker.evaluate(environment(python)):
            version = versions[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), f"{requirement} excludes the locked {version}"


def test_the_lock_is_closed_under_what_its_packages_require():
    """What an installed package asks for is locked as well, so that `--no-deps` from the lock is complete."""
    python = ".".join(map(str, sys.version_info[:2]))
    versions = locked(python)
    pending, seen = [(item.name, item.extras) for item in requirements("dev")], set()
    while pending:
        name, extras = pending.pop()
        name = canonicalize_name(name)
        if (name, frozenset(extras)) in seen:
            continue
        seen.add((name, frozenset(extras)))
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{name} is not installed: this is not the environment of the lock")
        if Version(distribution.version) != versions[name]:
            pytest.skip(
                f"{name} {distribution.version} is installed: this is not the environment of the lock"
            )
        for requirement in map(Requirement, distribution.requires or []):
            wanted = requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            )
            if wanted:
                locked_version = versions.get(canonicalize_name(requirement.name))
                assert locked_version, f"{name} requires {requirement}, which is not locked"
                assert requirement.specifier.contains(locked_version, prereleases=True), (
                    f"{name}: {requirement}"
                )
                pending.append((requirement.name, requirement.extras))
    assert len(seen) > 100


@pytest.mark.parametrize("name", ["requirements.lock"])
def test_every_locked_package_has_a_hash_and_no_address(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).strip())
    assert len(entries) == len(pins(ROOT / name)) > 0
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert not re.search(r"https?://|file://|--(extra-)?index-url|--find-links|--trusted-host| @ ", text)


def test_no_carrier_is_a_dependency():
    """The carriers are files and nothing more: neither they nor what they declare is installed."""
    from course_lib import carriers

    for carrier in carriers.CARRIERS.values():
        assert canonicalize_name(carrier.package) not in locked("3.12")
    assert "torch" not in locked("3.12", platform_system="Linux", sys_platform="linux")


def test_supported_pythons_are_the_same_everywhere():
    declared = {text.rsplit(" ", 1)[1] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)}
    assert sorted(declared) == PYTHONS
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
