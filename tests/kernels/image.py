# SPDX-License-Identifier: Apache-2.0
"""image - the initramfs of the virtual machine: the built product, the tests, Python and what they need to run.

Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel ("newc" cpio, with or without gzip).
"""
import gzip
import os
import pathlib
import re
import stat
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
INSIDE = pathlib.Path("/headroom")
PYTHON = "/usr/bin/python3"
COMMANDS = ("ip", "sh", "bash", "ldd", "cat", "chroot", "chown", "find", "mkdir", "mknod", "mount", "setarch", "setpriv",
            "true", "unshare")
# Parts of Python's library that no test imports; they are most of its size.
LEFT_OUT = {"test", "idlelib", "lib2to3", "tkinter", "ensurepip", "pydoc_data", "turtledemo", "distutils"}
MODULES = ("veth", "inet_diag", "tcp_diag")


class Image:
    """Files by the path they get inside; folders come by themselves.

    root: where programs come from, this machine or a folder with packages for another one (tests/abi/sysroot.py)
    """

    def __init__(self, root=pathlib.Path("/")):
        self.root = root
        self._entries = {}

    def _put(self, path, mode, data):
        path = str(path).lstrip("/")
        for folder in list(pathlib.PurePath(path).parents)[-2::-1]:
            self._entries.setdefault(str(folder), (stat.S_IFDIR | 0o755, b""))
        self._entries[path] = (mode, data)

    def folder(self, path):
        self._put(path, stat.S_IFDIR | 0o755, b"")

    def link(self, path, target):
        self._put(path, stat.S_IFLNK | 0o777, str(target).encode())

    def file(self, source, path=None):
        """A file, at its own path below the root unless another is given; links to it become the file."""
        source = pathlib.Path(source)
        if path is None:
            path = (source.parent.resolve() / source.name).relative_to(self.root)
        mode = stat.S_IFREG | (0o755 if os.access(source, os.X_OK) else 0o644)
        self._put(path, mode, source.read_bytes())

    def program(self, source, path=None):
        """A file and the libraries that the loader would give it."""
        self.file(source, path)
        for library in self._libraries(source):
            self.file(library)

    def _libraries(self, program):
        if self.root == pathlib.Path("/"):
            listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True).stdout
            return re.findall(r"(/\S+) \(0x", listed)
        # The loader of another machine does not run here.
        found, left = {}, [pathlib.Path(program)]
        while left:
            shown = subprocess.run(["readelf", "-ld", str(left.pop())], capture_output=True, text=True).stdout
            for name in re.findall(r"NEEDED.*\[(.+)\]|interpreter: (?:/\S*/)?(\S+)\]", shown):
                name = name[0] or name[1]
                # musl is its own loader.
                if name not in (*found, "libc.so"):
                    found[name] = next(folder / name for folder in (self.root / "lib", *self.root.glob("lib/*-linux-gnu"),
                                       *self.root.glob("usr/lib/*-linux-gnu")) if (folder / name).exists())
                    left.append(found[name])
        return found.values()

    def data(self, path, data, mode=0o644):
        self._put(path, stat.S_IFREG | mode, data)

    def write(self, path, packed):
        with gzip.open(path, "wb", compresslevel=1) if packed else open(path, "wb") as out:
            for number, (name, (mode, data)) in enumerate(self._entries.items(), 1):
                _write_entry(out, name, number, mode, data)
            _write_entry(out, "TRAILER!!!", 0, 0, b"")


def _write_entry(out, name, number, mode, data):
    name = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))


def _which(root, command):
    for folder in ("usr/bin", "usr/sbin", "bin", "sbin"):
        if os.access(root / folder / command, os.X_OK):
            return root / folder / command
    raise FileNotFoundError(f"{command} is not installed")


def _add_python(image, whole):
    program = image.root / PYTHON[1:]
    image.program(program)
    name = program.resolve().name
    image.link(f"usr/bin/{name}", "python3")
    library = image.root / "usr/lib" / name
    for file in library.rglob("*"):
        part = file.relative_to(library).parts[0]
        if part in LEFT_OUT and not whole or part.startswith("config-") or not file.is_file():
            continue
        if file.suffix == ".so":
            image.program(file)
        else:
            image.file(file)


def _add_unwinder(image):
    """glibc loads it when a thread is cancelled; no program names it."""
    for folder in ("lib", "usr/lib"):
        for file in image.root.glob(f"{folder}/*-linux-gnu/libgcc_s.so.1"):
            image.file(file)
            return


def _add_product(image, build, names, folders):
    for name in ("headroom", "libheadroom.so", *names):
        image.program(build / name, INSIDE / "build" / name)
    for folder in ("tests/system", "tests/kernel_facts", "tests/kernels", *folders):
        for file in (build / folder).glob("*"):
            if file.is_file() and file.read_bytes()[:4] == b"\x7fELF":
                image.program(file, INSIDE / "build" / folder / file.name)
    system = TESTS / "system"
    for file in [*system.glob("*.*"), *system.glob("lab/*.py"), *system.glob("clients/**/*.py"), *(file for file in TESTS.glob("suites/*") if file.is_file()),
                 HERE / "knee.py", TESTS / "kernel_facts/README.md", TESTS / "abi/test_emulated.py",
                 TESTS.parent / "docs/users/metrics.md"]:
        image.file(file, INSIDE / file.relative_to(TESTS.parent))


def _add_modules(image, modules):
    """The kernel's modules that the tests need, unpacked; a kernel that has them built in has none of them."""
    for name in MODULES:
        for file in modules.rglob(f"{name}.ko*") if modules else ():
            data = file.read_bytes()
            if file.suffix == ".xz":
                data = subprocess.run(["xz", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
            image.data(INSIDE / "modules" / f"{name}.ko", data)


def make(path, build, modules, root=pathlib.Path("/"), names=(), suites=False, twin=False, packed=True):
    """Writes the initramfs.

    path: the file to write; build: the build folder; modules: a folder that has the kernel's modules, or None;
    root: where programs come from; names: more programs of the build folder; suites: what tests/suites wants of CPython's, too; twin: tests/twin, too; packed: False
    where the kernel takes longer to unpack it than it saves
    """
    image = Image(root)
    for name in ("bin", "sbin", "lib", "lib64"):
        if (root / name).is_symlink():
            image.link(name, os.readlink(root / name))
    for name in ("proc", "sys", "dev", "tmp", "run", "root", "usr/bin"):
        image.folder(name)
    for command in COMMANDS:
        image.program(_which(root, command))
    _add_python(image, suites)
    if suites:
        image.program(_which(root, "openssl"))
    _add_unwinder(image)
    if twin:
        image.program(_which(root, "tc"))
        for file in [*(TESTS / "twin").glob("*.py"), TESTS / "twin/run"]:
            image.file(file, INSIDE / file.relative_to(TESTS.parent))
    _add_product(image, build, names, ("tests/twin",) if twin else ())
    _add_modules(image, modules)
    image.data("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    image.data("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    image.data("etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n")
    image.data("init", f"#!{PYTHON}\n".encode() + (HERE / "guest.py").read_bytes().partition(b"\n")[2], 0o755)
    image.file(HERE / "without_option.py", "without_option.py")
    image.write(path, packed)
