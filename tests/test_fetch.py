"""Downloads from a server that misbehaves, archives that are hostile: a clear error, and no harm done."""

import contextlib
import errno
import gzip
import hashlib
import http.server
import io
import os
import pathlib
import random
import signal
import subprocess
import sys
import tarfile
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import fetch

PAYLOAD = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(PAYLOAD).hexdigest()
OLD = b"an earlier good copy"


class Server(http.server.ThreadingHTTPServer):
    """Answers each path in its own bad way; `requests` counts them, `gate` lets stalled answers end."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests, self.gate = [], threading.Event()

    def handle_error(self, request, client_address):
        """Clients that hang up are the point here."""

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def head(self, status=200, length=300_000, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": length, **headers}.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()

    def do_GET(self):
        name = self.path.strip("/")
        self.server.requests.append(name)
        getattr(self, name.replace("-", "_"))(self.server.requests.count(name))

    def good(self, count):
        self.head()
        self.wfile.write(PAYLOAD)

    def without_length(self, count):
        self.head(length=None)
        self.wfile.write(PAYLOAD)

    def flaky(self, count):
        self.error(count) if count < 3 else self.good(count)

    def error(self, count):
        self.head(500, 0)

    def missing(self, count):
        self.head(404, 0)

    def redirect(self, count):
        self.head(302, 0, Location="/good")

    def loop(self, count):
        self.head(302, 0, Location="/loop")

    def truncated(self, count):
        self.head()
        self.wfile.write(PAYLOAD[:1000])

    def truncated_without_length(self, count):
        self.head(length=None)
        self.wfile.write(PAYLOAD[:1000])

    def corrupt(self, count):
        self.head()
        self.wfile.write(PAYLOAD[:-1] + bytes([PAYLOAD[-1] ^ 1]))

    def wrong_length(self, count):
        self.head(length=1234)
        self.wfile.write(bytes(1234))

    def endless(self, count):
        self.head(length=None)
        while not self.server.gate.is_set():
            self.wfile.write(bytes(2**16))

    def stalled(self, count):
        self.head()
        self.wfile.write(PAYLOAD[:50_000])
        self.server.gate.wait(30)

    def silent(self, count):
        self.server.gate.wait(30)

    def trickle(self, count):
        self.head()
        while not self.server.gate.wait(0.05):
            self.wfile.write(b"x")
            self.wfile.flush()

    def slow(self, count):
        self.head()
        self.wfile.write(PAYLOAD[:1000])
        self.wfile.flush()
        time.sleep(1.0)
        self.wfile.write(PAYLOAD[1000:])


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(fetch, "PAUSE", 0.01)
    monkeypatch.setattr(fetch, "STALL_SECONDS", 0.4)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.gate.set()
    server.shutdown()
    thread.join()
    server.server_close()


def download(server, path, *sources, **options):
    urls = [server.url(source) for source in sources]
    return fetch.download(urls, path, sha256=SHA256, **{"size": len(PAYLOAD), **options})


def leftovers(folder):
    return [entry.name for entry in folder.iterdir() if entry.name.endswith(".part")]


@pytest.mark.parametrize("source", ["good", "flaky", "redirect", "without-length"])
def test_download(server, tmp_path, source):
    path = download(server, tmp_path / "file", source)
    assert path.read_bytes() == PAYLOAD
    assert path.stat().st_mode & 0o444 == 0o444 & ~current_umask()
    assert not leftovers(tmp_path)


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_retries_a_passing_error_before_the_next_source(server, tmp_path):
    download(server, tmp_path / "file", "flaky", "good")
    assert server.requests == ["flaky"] * 3


def test_a_right_copy_is_not_fetched_again(server, tmp_path):
    (tmp_path / "file").write_bytes(PAYLOAD)
    download(server, tmp_path / "file", "good")
    assert server.requests == []


def test_a_wrong_copy_is_replaced(server, tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    assert download(server, tmp_path / "file", "good").read_bytes() == PAYLOAD


BAD = {  # What each bad source does: what the error says, and how often it is asked.
    "error": ("HTTP status 500", 3),
    "missing": ("HTTP status 404", 1),
    "loop": ("30 redirects", None),
    "truncated": (r"broke off", 3),
    "truncated-without-length": (r"broke off after 1,000 of 300,000 bytes", 3),
    "corrupt": (f"wrong checksum: SHA-256 [0-9a-f]{{64}}, expected {SHA256}", 1),
    "wrong-length": ("it offers 1,234 bytes, but the file has 300,000", 1),
    "endless": ("more than the 300,000 bytes", 1),
    "stalled": ("stalled", 3),
    "silent": ("stalled", 3),
    "trickle": ("stalled", 3),
}


@pytest.mark.parametrize("source", BAD)
def test_a_bad_source_is_reported_and_the_earlier_copy_stays(server, tmp_path, source):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    message, attempts = BAD[source]
    with pytest.raises(fetch.FetchError, match=message) as failure:
        download(server, path, source, remedy="Do this instead.")
    assert server.url(source) in str(failure.value)
    assert "untouched" in str(failure.value)
    assert str(failure.value).endswith("Do this instead.")
    assert path.read_bytes() == OLD
    assert not leftovers(tmp_path)
    assert attempts is None or server.requests == [source] * attempts


@pytest.mark.parametrize("source", BAD)
def test_the_next_source_is_tried(server, tmp_path, source):
    assert download(server, tmp_path / "file", source, "good").read_bytes() == PAYLOAD
    assert server.requests[-1] == "good"


def test_every_source_is_named(server, tmp_path):
    nobody = "http://127.0.0.1:9/file"
    with pytest.raises(
        fetch.FetchError, match=r"(?s)/error: HTTP status 500 .*\(3 attempts\)\n.*:9/file: "
    ) as failure:
        fetch.download([server.url("error"), nobody, "nonsense://x"], tmp_path / "file", sha256=SHA256)
    assert "nonsense://x" in str(failure.value)
    assert "Connection refused" in str(failure.value)
    assert not (tmp_path / "file").exists()


def test_no_folder_to_write_to(server, tmp_path):
    with pytest.raises(fetch.FetchError, match=r"Cannot write .*COURSE_CACHE"):
        download(server, tmp_path / "missing" / "file", "good")


TRUST = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def network(monkeypatch):
    """An environment that says nothing of certificates and proxies."""
    for name in (*TRUST, *PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(fetch, "PAUSE", 0.01)
    return monkeypatch


def failure(url, path):
    with pytest.raises(fetch.FetchError, match=r"Could not fetch file\. What each source said") as caught:
        fetch.download([url], path, sha256=SHA256)
    assert not path.exists()
    return str(caught.value)


@pytest.mark.parametrize("variable", TRUST)
@pytest.mark.parametrize("there", [False, True], ids=["missing", "no certificates"])
def test_unusable_certificates_are_named(variable, there, server, network, tmp_path):
    bundle = tmp_path / "bundle.pem"
    if there:
        bundle.write_text("no certificate")
    network.setenv(variable, str(bundle))
    said = failure(server.url("good").replace("http://", "https://"), tmp_path / "file")
    assert f"{variable} names the certificates to trust, {bundle}: correct it, or unset it" in said
    assert "Make room" not in said


def test_a_network_with_a_certificate_of_its_own_is_told_what_to_set(server, network, tmp_path):
    said = failure(server.url("good").replace("http://", "https://"), tmp_path / "file")
    assert "set REQUESTS_CA_BUNDLE to its file" in said


@pytest.mark.parametrize(
    ("variable", "proxy", "url"),
    [
        ("https_proxy", "http://user:secret@127.0.0.1:9", "https://example.org/file"),
        ("HTTP_PROXY", "http://user:secret@127.0.0.1:9", "http://example.org/file"),
        ("all_proxy", "http://user:secret@127.0.0.1:9", "https://example.org/file"),
    ],
)
def test_a_dead_proxy_is_named_without_its_password(variable, proxy, url, network, tmp_path):
    network.setenv(variable, proxy)
    said = failure(url, tmp_path / "file")
    assert f"{url}: Failed to establish a new connection: [Errno 111] Connection refused. " in said
    assert "The request went to the proxy http://127.0.0.1:9, which a variable such as https_proxy" in said
    assert "secret" not in said


def test_without_a_proxy_none_is_named(network, tmp_path):
    assert "proxy" not in failure("http://127.0.0.1:9/file", tmp_path / "file")


def test_a_right_copy_in_a_shared_cache_needs_no_lock(server, shared):
    path = shared.folder / "file"
    path.write_bytes(PAYLOAD)
    fetch.file_sha256(path)
    with shared.read_only():
        assert download(server, path, "good") == path
    assert [entry.name for entry in shared.folder.iterdir()] == ["file"]
    path.unlink()
    with shared.read_only(), pytest.raises(fetch.FetchError, match=r"Permission denied\. .*COURSE_CACHE"):
        download(server, path, "good")
    assert server.requests == []


def test_a_lock_that_another_user_left_is_taken(shared):
    path = shared.folder / "file"
    with fetch.lock(path):
        pass
    shared.folder.chmod(0o777)
    with shared.read_only(), fetch.lock(path) as held:
        assert held


def test_a_lock_harms_nothing_that_its_name_leads_to(tmp_path):
    (tmp_path / "mine").write_text("precious")
    (tmp_path / ".file.lock").symlink_to("mine")
    with fetch.lock(tmp_path / "file"):
        pass
    assert (tmp_path / "mine").read_text() == "precious"


def test_without_locks_a_file_is_fetched_and_no_other_process_disturbed(server, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    other = tmp_path / ".file.abc.part"
    other.write_bytes(b"half")
    assert download(server, tmp_path / "file", "good").read_bytes() == PAYLOAD
    assert other.read_bytes() == b"half"


CHILD = """
import resource, sys
from course_lib import fetch
url, path, sha256, limit = sys.argv[1:]
if limit != "none":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
fetch.download([url], path, sha256=sha256)
"""


def child(server, source, path, limit="none"):
    command = [sys.executable, "-c", CHILD, server.url(source), str(path), SHA256, limit]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_at_once_fetch_it_once(server, tmp_path):
    children = [child(server, "slow", tmp_path / "file") for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in children]
    assert [process.returncode for process in children] == [0, 0], outputs
    assert server.requests == ["slow"]
    assert (tmp_path / "file").read_bytes() == PAYLOAD


@pytest.mark.parametrize("earlier", [None, OLD])
def test_a_killed_process_harms_nothing(server, tmp_path, earlier):
    path = tmp_path / "file"
    if earlier:
        path.write_bytes(earlier)
    process = child(server, "stalled", path)
    deadline = time.monotonic() + 120
    while not any((tmp_path / name).stat().st_size for name in leftovers(tmp_path)):
        assert time.monotonic() < deadline, "the child wrote nothing"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (path.read_bytes() if path.exists() else None) == earlier
    assert download(server, path, "good").read_bytes() == PAYLOAD
    assert not leftovers(tmp_path)


def test_a_full_disk(server, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    process = child(server, "good", path, limit="100000")
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "FetchError: Cannot write" in error
    assert "Make room" in error
    assert path.read_bytes() == OLD
    assert not leftovers(tmp_path)


# Archives


def archive(*members, packed=True, ending=True, pax=None):
    """Bytes of a tar file with `members`, each a name, (name, content) or (TarInfo, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers=pax) as tar:
        for member in members:
            member, content = (member, b"text") if isinstance(member, str) else member
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        end = tar.offset
    data = buffer.getvalue() if ending else buffer.getvalue()[:end]
    return gzip.compress(data, compresslevel=1) if packed else data


def special(name, kind, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info, b""


def huge(name, size):
    """An archive whose last member claims `size` bytes that never come."""
    info = tarfile.TarInfo(name)
    info.size = size
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT))


def extension(**headers):
    info = tarfile.TarInfo("a.txt")
    info.size, info.pax_headers = 4, headers
    return info, b"text"


def renamed(info, name):
    info.name = name
    return info.tobuf(tarfile.GNU_FORMAT)


HOSTILE = {
    "parent": (archive("../evil.txt"), r"'\.\./evil\.txt' leads out of the archive's folder"),
    "hidden parent": (archive("a/b/../../../evil.txt"), "leads out of the archive's folder"),
    "absolute": (archive("/tmp/evil.txt"), "'/tmp/evil.txt' has an absolute name"),
    "backslash": (archive("a\\..\\evil.txt"), "has backslashes"),
    "symbolic link": (
        archive(special("a", tarfile.SYMTYPE, linkname="/etc/passwd")),
        "'a' is a symbolic link",
    ),
    "hard link": (archive(special("a", tarfile.LNKTYPE, linkname="/etc/passwd")), "'a' is a hard link"),
    "character device": (archive(special("a", tarfile.CHRTYPE, devmajor=1)), "'a' is a device"),
    "block device": (archive(special("a", tarfile.BLKTYPE, devmajor=8)), "'a' is a device"),
    "pipe": (archive(special("a", tarfile.FIFOTYPE)), "'a' is a named pipe"),
    "contiguous": (archive(special("a", tarfile.CONTTYPE)), "'a' is of the unknown type b'7'"),
    "sparse": (archive(special("a", tarfile.GNUTYPE_SPARSE)), "'a' is a sparse file"),
    "twice": (archive("a.txt", "b.txt", "a.txt"), r"'a\.txt' is there twice"),
    "twice in disguise": (archive("a.txt", "./a.txt"), r"'a\.txt' is there twice"),
    "big member": (
        archive(("a.txt", bytes(2**20 + 1))),
        r"'a\.txt' has 1,048,577 bytes; the limit is 1,048,576",
    ),
    "claimed bomb": (huge("a.bin", 2**40), r"'a\.bin' of 1,099,511,627,776 bytes it unpacks to more than"),
    "negative size": (huge("a.bin", -512), r"'a\.bin' of -512 bytes"),
    "long name": (archive("a/" * 5000 + "a.txt"), "extension header that changes the path"),
    "long name, GNU": (
        gzip.compress(renamed(tarfile.TarInfo(), "a" * 300)),
        "name longer than 100 characters",
    ),
    "renamed": (archive(extension(path="../evil.txt")), "changes the path"),
    "resized": (archive(extension(size="9999")), "changes the size"),
    "sparse by extension": (archive(extension(**{"GNU.sparse.map": "0,1"})), r"changes the GNU\.sparse\.map"),
    "big extension": (archive(extension(comment="x" * 2**21)), "extension header of 2,.* bytes"),
    "renamed for all": (archive("a.txt", pax={"path": "evil.txt"}), "changes the path"),
    "truncated gzip": (archive("a.txt")[:60], "is truncated: it ends in the middle"),
    "gzip without its checksum": (archive("a.txt")[:-6], "is truncated"),
    "truncated tar": (archive(("a.txt", bytes(2000)), packed=False)[:1024], "is truncated"),
    "tar without an end": (archive("a.txt", packed=False, ending=False), "is truncated"),
    "empty": (b"", "is truncated"),
    "wrong gzip checksum": (archive("a.txt")[:-8] + bytes(8), "is damaged"),
    "not a tar": (b"<html>Log in to this network</html>" * 50, "is damaged, or not a tar archive"),
    "not a tar, packed": (gzip.compress(b"<html>Log in</html>" * 99), "is damaged, or not a tar archive"),
    "data after the end": (archive("a.txt", packed=False) + b"more", "goes on after its end"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_are_refused(tmp_path, case):
    data, message = HOSTILE[case]
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "archive.tar.gz"
    path.write_bytes(data)
    with pytest.raises(fetch.ArchiveError, match=message) as failure:
        list(fetch.read_tar(path, lambda name: True))
    assert str(path) in str(failure.value)
    assert len(str(failure.value)) < 600
    assert [entry.name for entry in tmp_path.rglob("*")] == ["folder", "archive.tar.gz"]
    assert not pathlib.Path("/tmp/evil.txt").exists()


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(fetch.ArchiveError, match=f"{path} is no file"):
            list(fetch.read_tar(path, lambda name: True))


def test_a_name_that_is_not_utf8(tmp_path):
    info = tarfile.TarInfo("bad.txt")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[0] = 0xFF
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    path = tmp_path / "archive.tar"
    path.write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(fetch.ArchiveError, match=r"xffad\.txt.* not UTF-8"):
        list(fetch.read_tar(path, lambda name: True))


def test_bombs_of_many_small_things(tmp_path, monkeypatch):
    path = tmp_path / "archive.tar.gz"
    monkeypatch.setattr(fetch, "MEMBERS", 10)
    path.write_bytes(archive(*(f"{i}.txt" for i in range(11))))
    with pytest.raises(fetch.ArchiveError, match="more than 10 members"):
        list(fetch.read_tar(path, lambda name: False))
    monkeypatch.setattr(fetch, "TOTAL_BYTES", 2**20)
    path.write_bytes(archive(("a", bytes(2**19)), ("b", bytes(2**19 + 1))))
    with pytest.raises(fetch.ArchiveError, match="'b' of 524,289 bytes it unpacks to more than 1,048,576"):
        list(fetch.read_tar(path, lambda name: False))
    path.write_bytes(gzip.compress(bytes(2**21)))
    with pytest.raises(fetch.ArchiveError, match="goes on after its end"):
        list(fetch.read_tar(path, lambda name: False))


@pytest.mark.parametrize("packed", [True, False])
def test_reads_what_is_selected(tmp_path, packed):
    path = tmp_path / "archive"
    folder = special("a", tarfile.DIRTYPE)
    odd = ("a/big", bytes(3 * 2**20 + 5))
    path.write_bytes(
        archive(folder, "./a/1.txt", odd, ("a/2.txt", b""), extension(mtime="1.5"), packed=packed)
    )
    found = list(fetch.read_tar(path, lambda name: name.endswith(".txt")))
    assert found == [("a/1.txt", b"text"), ("a/2.txt", b""), ("a.txt", b"text")]


@settings(max_examples=150, deadline=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), max_size=4),
    length=st.integers(0, 10240),
    packed=st.booleans(),
    reseal=st.booleans(),
)
def test_damage_is_never_another_error(tmp_path_factory, edits, length, packed, reseal):
    data = bytearray(
        archive("a.txt", special("b", tarfile.DIRTYPE), extension(mtime="1.5"), packed=False)[:length]
    )
    for position, value in edits:
        if position < len(data):
            data[position] = value
    if reseal and len(data) >= 512:  # A damaged header whose own checksum is right again.
        data[148:156] = b"        "
        data[148:156] = b"%06o\0 " % sum(data[:512])
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(gzip.compress(bytes(data)) if packed else bytes(data))
    with contextlib.suppress(fetch.ArchiveError):  # Any other error fails the test.
        for name, content in fetch.read_tar(path, lambda name: True):
            assert ".." not in name.split("/")
            assert len(content) <= fetch.MEMBER_BYTES
