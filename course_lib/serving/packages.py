"""The JavaScript packages that run a bundle in a browser: brought by npm, checked, kept in the cache.

npm is asked for exact versions, and what it brings is used only if its SHA-512 is the one pinned here, as is
each file of a package that somebody unpacked. No code of a package runs on this machine.
"""

import base64
import contextlib
import dataclasses
import hashlib
import pathlib
import shutil
import subprocess
import tempfile

from course_lib import fetch, runtime

SECONDS = 300  # npm tries an index several times by itself.
FILE_BYTES = 2**24  # The largest file, LiteRT's WebAssembly, has 9.4 MB.


@dataclasses.dataclass(frozen=True)
class Package:
    """A package, and what a page needs of it.

    Attributes:
        name: Its name for npm.
        version: Its version.
        integrity: SHA-512 of its archive, in base64, as npm shows it.
        files: Dict from each file that is needed to its SHA-256.
    """

    name: str
    version: str
    integrity: str
    files: dict[str, str]

    @property
    def archive(self):
        """What npm calls the archive."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


PACKAGES = (
    Package(
        "@litertjs/core",
        "2.5.3",
        "PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
        {
            "dist/index.js": "e7daccc3a31eef890848a737ccb863ded5f046a6b40c3fdc0556495adeb5d9b3",
            # One thread, as most hosts send no headers of cross-origin isolation, without which a browser has
            # no more; the second pair for browsers that lack relaxed SIMD.
            "wasm/litert_wasm_internal.js": (
                "68efb69f770e3f76aff36a377de629ca496c131b86ac0f0f4b592a1543a898eb"
            ),
            "wasm/litert_wasm_internal.wasm": (
                "7280cf4471774867e385e6c3cd53e2b45e2975b80fea338fff4ef359b0865614"
            ),
            "wasm/litert_wasm_compat_internal.js": (
                "4d8f894b7883654fd6e8439730aa41e79ceaab7d19184fc4f1f0b0f1a2a2c8a5"
            ),
            "wasm/litert_wasm_compat_internal.wasm": (
                "5255c8ad06eabdbd2522cdebf6b22fc10faf74625c23a49b9e072570cd1fa41c"
            ),
        },
    ),
    Package(
        "@litertjs/wasm-utils",  # The former imports it.
        "2.5.3",
        "4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
        {"dist/index.js": "e0e20bc28ab001ac732cf40d15b6eebd24fb0deaeb95eeba5100f51eebf015f2"},
    ),
    Package(
        "@huggingface/tokenizers",
        "0.2.0",
        "LidMHe1FpcSYH4vcSjXooda34pC0M8m1gmDOv7SQi6Iv+ib1zX7J3sHBCC9/3FPCkn2k1b55FneVqMRxrr99pg==",
        {
            "dist/tokenizers.min.mjs": "258e46332101335ce8d95aed7745b19ac3b46d37f3e159a89cf894c2ea9b1d3a",
            "LICENSE": "c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4",
        },
    ),
)


class PackageError(RuntimeError):
    """A package cannot be had; the message says why and what to do."""


def load(folder=None, packages=None):
    """The files of packages, from the cache, a folder, or npm, which then are in the cache as well.

    Args:
        folder: Where the packages lie, as npm's archives (`npm pack`) or unpacked (`node_modules`); None
            looks into the cache and then asks npm.
        packages: Which; None means those of a page, `PACKAGES`.

    Returns:
        Dict from a package's name to a dict from a file's name to bytes.

    Raises:
        PackageError: If a package cannot be had, or is not what it should be.
    """
    packages = PACKAGES if packages is None else packages
    found, missing = {}, []
    for package in packages:
        files = _kept(package) if folder is None else _given(package, pathlib.Path(folder))
        if files is None:
            missing.append(package)
        else:
            found[package.name] = files
    if missing:
        with tempfile.TemporaryDirectory() as work:
            _pack(missing, work, packages)
            for package in missing:
                found[package.name] = _unpacked(package, pathlib.Path(work, package.archive))
    for package in packages:
        _keep(package, found[package.name])
    return found


def _home(package):
    return runtime.cache_dir(create=False) / "packages" / package.archive.removesuffix(".tgz")


def _kept(package):
    """The files in the cache; None if they are not all there, and right."""
    with contextlib.suppress(OSError):
        files = {name: (_home(package) / _flat(name)).read_bytes() for name in package.files}
        if not _wrong(package, files):
            return files
    return None


def _keep(package, files):
    """Puts files into the cache, if it can be written; the next page then needs no network."""
    if _kept(package) is not None:
        return
    with contextlib.suppress(OSError):
        _home(package).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with runtime.atomic_write(_home(package) / _flat(name)) as part:
                part.write_bytes(content)


def _flat(name):
    return name.replace("/", "_")


def _wrong(package, files):
    """The first file that is not what it should be, or None."""
    return next(
        (
            name
            for name, right in package.files.items()
            if name not in files or hashlib.sha256(files[name]).hexdigest() != right
        ),
        None,
    )


def _given(package, folder):
    if not folder.is_dir():
        raise PackageError(f"There is no folder {folder}.")
    archive = folder / package.archive
    if archive.is_file():
        return _unpacked(package, archive)
    places = (
        folder / package.name,
        folder / "node_modules" / package.name,
        folder / package.archive.removesuffix(".tgz") / "package",
        folder / package.archive.removesuffix(".tgz"),
    )
    for place in places:
        if (place / "package.json").is_file():
            try:
                files = {name: (place / name).read_bytes() for name in package.files}
            except OSError as error:
                raise PackageError(f"Cannot read {error.filename}: {error.strerror}.") from None
            if wrong := _wrong(package, files):
                raise PackageError(f"{place / wrong} is not that of {package.name} {package.version}.")
            return files
    raise PackageError(
        f"{folder} holds neither {package.archive} nor {package.name}/package.json. Where there is a "
        f"network, {_command([package])} brings the former and `npm install` the latter."
    )


def _unpacked(package, archive):
    """The files in an archive of npm's, after a check of the whole of it."""
    try:
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha512").digest()
        if digest != base64.b64decode(package.integrity):
            raise PackageError(
                f"{archive} is not {package.name} {package.version} and was not used: its SHA-512 is "
                f"{base64.b64encode(digest).decode()[:16]}..., not {package.integrity[:16]}..."
            )
        wanted = {f"package/{name}": name for name in package.files}
        members = fetch.read_tar(archive, wanted.__contains__, FILE_BYTES)
        files = {wanted[name]: content for name, content in members}
    except OSError as error:
        raise PackageError(f"Cannot read {archive}: {error.strerror or error}.") from None
    if wrong := _wrong(package, files):
        raise PackageError(f"{wrong} in {archive} is not that of {package.name} {package.version}.")
    return files


def _command(packages):
    return f"`npm pack {' '.join(f'{each.name}@{each.version}' for each in packages)}`"


def _pack(packages, work, every):
    """Has npm put the archives of packages into a folder; `every` is what is needed with them."""
    ways = (
        f"Either install npm (Debian: apt install npm) and have its registry within reach; or bring the "
        f"archives that {_command(every)} writes on another machine, or a node_modules folder with these "
        "packages, and name their folder (--packages)."
    )
    npm = shutil.which("npm")
    if npm is None:
        raise PackageError(f"The page's JavaScript packages are not here, and there is no npm. {ways}")
    command = [npm, "pack", "--ignore-scripts", "--loglevel=error"]
    command += [f"{each.name}@{each.version}" for each in packages]
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=work, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = f"it took more than {SECONDS} seconds" if not isinstance(error, OSError) else str(error)
        raise PackageError(f"npm could not bring the page's JavaScript packages: {reason}. {ways}") from None
    if done.returncode or not all(pathlib.Path(work, each.archive).is_file() for each in packages):
        lines = [line.removeprefix("npm error ") for line in done.stderr.splitlines() if line.strip()]
        said = next((line for line in lines if not line.startswith("code ")), f"status {done.returncode}")
        raise PackageError(f"npm could not bring the page's JavaScript packages: {said[:200]}. {ways}")
