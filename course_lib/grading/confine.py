"""Confines a process by ctypes: resource limits, Landlock and seccomp, unprivileged, on x86-64 and aarch64.

Standalone: it needs nothing but the standard library, because `worker.py` runs it apart from the package.
What it enters cannot be left; `confine` is called in a forked child that has one thread, before any answer
code runs.

Landlock decides which files can be opened, seccomp which system calls can be made. Refused calls give EPERM,
which libraries cope with; a call from another architecture's table kills.
"""

import ctypes
import errno
import os
import platform
import re
import site
import struct
import sys
import sysconfig

# Numbers of linux/audit.h, and which column of the tables below holds.
ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
SECCOMP, CAPSET = (317, 277), (126, 91)

# System calls that are refused whatever their arguments are: (x86-64, aarch64), None where there is none.
# fmt: off
REFUSED = {
    # Sockets.
    "socket": (41, 198), "socketpair": (53, 199), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "connect": (42, 203), "sendto": (44, 206),
    "recvfrom": (45, 207), "sendmsg": (46, 211), "recvmsg": (47, 212), "sendmmsg": (307, 269),
    "recvmmsg": (299, 243), "shutdown": (48, 210), "getsockname": (51, 204), "getpeername": (52, 205),
    "setsockopt": (54, 208), "getsockopt": (55, 209),
    # Programs and processes; `clone` is allowed for threads, below.
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "tkill": (200, 130), "unshare": (272, 97), "setns": (308, 268),
    "personality": (135, 92), "setpgid": (109, 154), "setpriority": (141, 140),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274), "ioprio_set": (251, 30), "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # Memory and files that no limit counts or no folder holds.
    "memfd_create": (319, 279), "userfaultfd": (323, 282), "fallocate": (285, 47), "shmget": (29, 194),
    "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197), "semget": (64, 190), "semop": (65, 193),
    "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189),
    "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181),
    "mq_timedsend": (242, 182), "mq_timedreceive": (243, 183), "mq_notify": (244, 184),
    "mq_getsetattr": (245, 185),
    # What Landlock does not cover in the file system.
    "truncate": (76, 45), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "mknod": (133, None), "mknodat": (259, 33),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "inotify_init": (253, None),
    "inotify_init1": (294, 26), "inotify_add_watch": (254, 27), "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263), "lookup_dcookie": (212, 18), "sync": (162, 81), "syncfs": (306, 267),
    "flock": (73, 32),
    # The machine and who one is on it.
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "sethostname": (170, 161),
    "setdomainname": (171, 162), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "quotactl": (179, 60), "acct": (163, 89), "syslog": (103, 116), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "vhangup": (153, 58),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None), "uselib": (134, None),
    "_sysctl": (156, None), "nfsservctl": (180, 42), "bpf": (321, 280), "perf_event_open": (298, 241),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "setuid": (105, 146),
    "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143), "setresuid": (117, 147),
    "setresgid": (119, 149), "setgroups": (116, 159), "setfsuid": (122, 151), "setfsgid": (123, 152),
    "capset": (126, 91),
    # What the whole machine has a number of.
    "io_setup": (206, 0),
}
# fmt: on
# fcntl: copies of descriptors, their flags, and locks. Leases, notices and sizes of pipes reach others.
FCNTL_ALLOWED = (0, 1, 2, 3, 4, 5, 6, 7, 9, 36, 37, 38, 1027, 1030, 1032)
# ioctl: TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, TCGETS2. Others change files through
# descriptors that can only read.
IOCTL_ALLOWED = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A)
# From 424 on the numbers are the same on all architectures. Refused are all but these: pidfd_*, io_uring_*,
# the mount family, process_madvise, memfd_secret. These are close_range, faccessat2, epoll_pwait2, the three
# of Landlock, and futex_waitv.
FIRST_COMMON, LAST_KNOWN = 424, 450
COMMON_ALLOWED = (436, 439, 441, 444, 445, 446, 449)
# ENOSYS, as on old kernels: then libraries take `clone` and `openat`, whose arguments can be judged.
CLONE3, OPENAT2 = 435, 437

KILL, ALLOW, REFUSE, UNKNOWN = 0x80000000, 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
MAKE_REG, TRUNCATE = 1 << 8, 1 << 14

# Where the loader finds shared libraries, besides the interpreter's own, and how they are called.
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
_LIBRARY = re.compile(r"\.so(\.\d[\w.]*)?$")


def missing():
    """What this machine lacks for `confine`; empty if it can be used."""
    if sys.platform != "linux":
        return [f"Linux (this is {sys.platform})"]
    if platform.machine() not in ARCHITECTURES or sys.maxsize < 2**32:
        return [f"a 64-bit Python on {' or '.join(ARCHITECTURES)} (this is {platform.machine()})"]
    lacking = []
    if _landlock_abi() < 1:
        lacking.append("Landlock (Linux 5.13 or later, with landlock among its security modules)")
    _, column = ARCHITECTURES[platform.machine()]
    action = ctypes.c_uint32(KILL)
    if _libc().syscall(SECCOMP[column], 2, 0, ctypes.byref(action)) != 0:  # SECCOMP_GET_ACTION_AVAIL
        lacking.append("seccomp filters")
    return lacking


def readable(package):
    """What an answer may read: the interpreter, its packages without this one, and shared libraries.

    Below the folders of libraries it is the libraries alone: other Pythons are installed there, too, and any
    of them may hold this package.

    Args:
        package: Folder of `course_lib`, which must stay unreadable, as must the project that it lies in.

    Returns:
        List of (path, Landlock rights).
    """
    sites = {os.path.realpath(path) for path in site.getsitepackages([sys.prefix, sys.base_prefix])}
    standard = {os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    package = os.path.realpath(package)
    hidden = {package, os.path.dirname(package)}
    for folder in filter(os.path.isdir, sites | standard):
        names = (name for name in os.listdir(folder) if _private(name) or _packages(name))
        hidden |= {os.path.join(folder, name) for name in names}
    hidden -= sites
    others = {"/usr/lib/locale", "/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache", "/dev/urandom"}
    rules = {"/dev/null": READ_FILE | WRITE_FILE}
    for root in {os.path.realpath(root) for root in (*LIBRARIES, os.path.join(sys.base_prefix, "lib"))}:
        rules.update(dict.fromkeys(_shared_libraries(root), READ_FILE))
    for root in sites | standard | {os.path.realpath(path) for path in others}:
        rules.update(_grants(root, hidden))
    return [*rules.items()]


def _shared_libraries(root):
    """Files below a folder that the loader may load, but those of Python packages."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not _packages(name)]
        for name in names:
            if _LIBRARY.search(name):
                path = os.path.realpath(os.path.join(folder, name))
                if _LIBRARY.search(path) and os.path.isfile(path):
                    yield path


def _packages(name):
    """Whether a folder is of the kind that Python packages are installed in."""
    return name.endswith("-packages")


def _private(name):
    """Whether an entry of site-packages is this package: its folder, its metadata, or a link to it."""
    return "course_lib" in name.replace("-", "_")


def _within(path, root):
    return path == root or path.startswith(root.rstrip("/") + "/")


def _grants(path, hidden):
    """Rules that let everything below a path be read but what is hidden, whose names alone can be listed."""
    if path in hidden or not os.path.exists(path):
        return
    if not os.path.isdir(path):
        yield path, READ_FILE
    elif any(_within(other, path) for other in hidden):
        yield path, READ_DIR
        for name in os.listdir(path):
            entry = os.path.join(path, name)
            if not os.path.islink(entry):  # Landlock judges where a link leads to.
                yield from _grants(entry, hidden)
    else:
        yield path, READ_FILE | READ_DIR


def limit_resources(limits, seconds):
    """Sets the resource limits; the processes' number needs none, as seccomp refuses to fork.

    Args:
        limits: Dict with `data`, `address_space` and `file` in bytes and `files`, a number.
        seconds: Processor time of all threads.
    """
    import resource

    wanted = {
        "DATA": limits["data"],
        "AS": limits["address_space"],
        "FSIZE": limits["file"],
        "NOFILE": 64,
        "CORE": 0,
        "CPU": int(seconds) + 1,
        "STACK": 16 << 20,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
        "SIGPENDING": 64,  # Also timers, which the account has a number of.
    }
    for name, value in wanted.items():
        which = getattr(resource, f"RLIMIT_{name}", None)  # macOS lacks MSGQUEUE.
        if which is not None:
            hard = resource.getrlimit(which)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(which, (value, value))


def confine(folder, rules):
    """Gives up, for good, all but computing: files outside, network, programs, other processes.

    Args:
        folder: The only place where files can be written. Files in it cannot be removed, nor opened without a
            name, so that whoever watches its size sees all of them.
        rules: From `readable`.

    Raises:
        OSError: If any layer cannot be set up; then no answer may run.
    """
    audit, column = ARCHITECTURES[platform.machine()]
    _check(_libc().prctl(38, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    _check(_libc().prctl(4, 0, 0, 0, 0), "PR_SET_DUMPABLE")
    _drop_capabilities(column)
    own = [(f"/proc/{name}", READ_FILE) for name in ("cpuinfo", "meminfo", "stat")]
    own += [("/proc/self", READ_FILE | READ_DIR)]
    own += [(folder, READ_FILE | READ_DIR | WRITE_FILE | MAKE_REG | TRUNCATE)]
    _landlock([*rules, *own])
    _seccomp(_program(audit, column, os.getpid()))


def die_with_parent():
    """Asks for SIGKILL when the parent dies."""
    _check(_libc().prctl(1, 9, 0, 0, 0), "PR_SET_PDEATHSIG")


def _libc():
    return ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _drop_capabilities(column):
    libc = _libc()
    if os.geteuid() == 0:
        for capability in range(64):
            if libc.prctl(24, capability, 0, 0, 0) < 0:  # PR_CAPBSET_DROP
                break
        libc.prctl(47, 4, 0, 0, 0)  # PR_CAP_AMBIENT_CLEAR_ALL
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _check(libc.syscall(CAPSET[column], header, (ctypes.c_uint32 * 6)()), "capset")


def _landlock_abi():
    return _libc().syscall(444, None, 0, 1)


def _landlock(rules):
    libc, abi = _libc(), _check(_landlock_abi(), "Landlock")
    handled = (1 << 13) - 1
    for version, right in ((2, 1 << 13), (3, TRUNCATE), (5, 1 << 15)):
        handled |= right if abi >= version else 0
    # Network (bind, connect) from version 4 on; abstract sockets and signals from version 6 on.
    attribute = struct.pack("<QQQ", handled, 3, 3)[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    ruleset = _check(libc.syscall(444, attribute, len(attribute), 0), "landlock_create_ruleset")
    for path, rights in rules:
        try:
            file = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        rule = struct.pack("<Qi", rights & handled, file)
        _check(libc.syscall(445, ruleset, 1, rule, 0), f"landlock_add_rule for {path}")
        os.close(file)
    _check(libc.syscall(446, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def _program(audit, column, pid):
    """The seccomp filter: a list of (code, jump if true, jump if false, value)."""

    def load(offset):
        return (0x20, 0, 0, offset)

    def argument(index):
        return load(16 + 8 * index)  # The low half: what is judged here has 32 bits in the kernel.

    def equal(value, then, otherwise):
        return (0x15, then, otherwise, value)

    def give(action):
        return (0x06, 0, 0, action)

    def only(index, *values):
        tests = [line for value in values for line in (equal(value, 0, 1), give(ALLOW))]
        return [argument(index), *tests, give(REFUSE)]

    def never(index, *values):
        tests = [line for value in values for line in (equal(value, 0, 1), give(REFUSE))]
        return [argument(index), *tests, give(ALLOW)]

    def opening(index):
        """No O_TMPFILE; no O_TRUNC without write access, which Landlock lets pass before version 3."""
        unnamed = [(0x45, 0, 1, 0o20000000), give(REFUSE)]
        emptied = [(0x54, 0, 0, os.O_TRUNC | os.O_ACCMODE), equal(os.O_TRUNC, 0, 1), give(REFUSE)]
        return [argument(index), *unnamed, *emptied, give(ALLOW)]

    # RLIMIT_DATA counts neither MAP_GROWSDOWN nor what is shared and anonymous; MAP_HUGETLB is the machine's.
    mapping = [argument(3), (0x45, 0, 1, 0x40100), give(REFUSE)]
    mapping += [(0x54, 0, 0, 0x21), equal(0x21, 0, 1), give(REFUSE), give(ALLOW)]
    judged = {
        (56, 220): [argument(0), (0x45, 0, 1, 0x10000), give(ALLOW), give(REFUSE)],  # clone: CLONE_THREAD
        (62, 129): only(0, pid),  # kill
        (234, 131): only(0, pid),  # tgkill
        (129, 138): only(0, pid),  # rt_sigqueueinfo
        (297, 240): only(0, pid),  # rt_tgsigqueueinfo
        (302, 261): only(0, 0),  # prlimit64
        (72, 25): only(1, *FCNTL_ALLOWED),
        (16, 29): only(1, *IOCTL_ALLOWED),
        (157, 167): never(0, 1, 4, 62),  # prctl: PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SCHED_CORE
        (9, 222): mapping,  # mmap
        (2, None): opening(1),
        (257, 56): opening(2),  # openat
    }
    lines = [load(4), equal(audit, 1, 0), give(KILL), load(0)]
    lines += [(0x35, 0, 1, 0x40000000), give(KILL)]  # The x32 table.
    lines += [(0x35, 0, 1, LAST_KNOWN + 1), give(UNKNOWN)]
    for numbers, block in judged.items():
        if numbers[column] is not None:
            lines += [equal(numbers[column], 0, len(block)), *block]
    refused = [numbers[column] for numbers in REFUSED.values() if numbers[column] is not None]
    lines += [line for number in refused for line in (equal(number, 0, 1), give(REFUSE))]
    for number in (CLONE3, OPENAT2):
        lines += [equal(number, 0, 1), give(UNKNOWN)]
    for number in COMMON_ALLOWED:
        lines += [equal(number, 0, 1), give(ALLOW)]
    return [*lines, (0x35, 0, 1, FIRST_COMMON), give(REFUSE), give(ALLOW)]


def _seccomp(lines):
    code = b"".join(struct.pack("<HBBI", *line) for line in lines)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    program = Program(len(lines), ctypes.addressof(buffer))
    _check(_libc().prctl(22, 2, ctypes.byref(program), 0, 0), "PR_SET_SECCOMP")
