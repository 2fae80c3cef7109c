#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_loader - however the loader brings the shim in, and whatever wants to be first beside it: the program runs, and each
connection is counted once."""
import functools
import pathlib
import re
import shutil

import lab

PORT, CAPACITY = 5000, 100
SHIM = lab.BUILD / "libheadroom.so"
SOURCES = {"HEADROOM_SOURCES": "127.0.0.1-127.0.0.2", "HEADROOM_SUMMARY": "1", "HEADROOM_LOG": "off"}
FILLED = f"127.0.0.1 {PORT} opened {2 * CAPACITY}, connect EADDRNOTAVAIL\nheld\n"
ROW = re.compile(rf"^127\.0\.0\.1:{PORT} +(\S+) +(\d+) ", re.M)

OVERFLOW = """
#include <stdlib.h>
int main(int argc, char **argv) { char *p = malloc(8); (void)argv; p[7 + argc] = 1; free(p); return 0; }
"""

LOADING = """
#include <dlfcn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	void *shim = NULL;
	for (int i = 1; i < argc; i++) {
		shim = dlopen(argv[i], RTLD_NOW | RTLD_GLOBAL);
		if (!shim)
			return puts(dlerror()), 1;
	}
	pid_t pid = fork();
	if (!pid)
		_exit(3);
	int status;
	waitpid(pid, &status, 0);
	int closed = dlclose(shim);
	pid = fork();
	if (!pid)
		_exit(4);
	int last;
	waitpid(pid, &last, 0);
	printf("%d %d %d\\n", WEXITSTATUS(status), closed, WEXITSTATUS(last));
}
"""


def compiled(source, *options, compiler="gcc"):
    lab.needs(compiler)
    out = lab.scratch() / "program"
    if "\n" in str(source):
        (lab.scratch() / "program.c").write_text(source)
        source = lab.scratch() / "program.c"
    done = lab.run([compiler, "-std=gnu17", "-D_GNU_SOURCE", "-g", "-o", str(out), str(source), "-pthread", *options])
    if done.status:
        raise lab.Skipped(f"{compiler} {' '.join(options)}: {done.stderr.splitlines()[0]}")
    return str(out)


def fills(command, env=SOURCES, tables=1):
    """Both sources, to the last port, and one table that says so."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    with lab.Hold(PORT):
        done = lab.run(command, env={"LD_PRELOAD": str(SHIM), **env})
    lab.equal("exit status and stdout", (done.status, done.stdout), (0, FILLED))
    lab.equal("counted", sorted(ROW.findall(done.stderr)), [(f"127.0.0.{i}", str(CAPACITY)) for i in (1, 2)] * tables)


# A runtime that wants to be first

def clang_runtime():
    """Where the loader finds clang's shared runtime, which is in no folder that it knows."""
    lab.needs("clang")
    found = pathlib.Path(lab.run(["clang", "-print-file-name=libclang_rt.asan-x86_64.so"]).stdout.strip())
    if not found.is_absolute():
        raise lab.Skipped("clang has no shared runtime here")
    return f"-Wl,-rpath,{found.parent}"


def sanitized(name, compiler="gcc", more=()):
    lab.not_under_sanitizer("the program brings one")
    options = [f"-fsanitize={name}", *more, *([clang_runtime()] if "-shared-libasan" in more else [])]
    fills([compiled(lab.HERE / "fill.c", *options, compiler=compiler), "127.0.0.1", str(PORT)])
    overflow = compiled(OVERFLOW, *options, compiler=compiler)
    plain, with_shim = lab.run([overflow]), lab.run([overflow], env={"LD_PRELOAD": str(SHIM)})
    lab.equal("exit status of an overflow", with_shim.status, plain.status)
    if name == "address":
        lab.equal("it is found", "heap-buffer-overflow" in with_shim.stderr, True)


# Ways in

def copied(name="libother.so"):
    return shutil.copy(SHIM, lab.scratch() / name)


def twice(make):
    lab.not_under_sanitizer("the copies would be preloaded behind it")
    fills([lab.client("fill"), "127.0.0.1", str(PORT)], {**SOURCES, "LD_PRELOAD": f"{SHIM}:{make()}"})
    lab.new_network()
    fills([lab.client("fill"), "127.0.0.1", str(PORT)], {**SOURCES, "LD_PRELOAD": f"{make()}:{SHIM}"})


def linked():
    link = lab.scratch() / "liblink.so"
    link.unlink(missing_ok=True)
    link.symlink_to(SHIM)
    return link


def loaded(*others, preloaded):
    """By dlopen() it hooks nothing, as libc comes first; it can go again, and forks are not disturbed."""
    lab.not_under_sanitizer("the shim needs its runtime")
    env = {"LD_PRELOAD": str(SHIM)} if preloaded else {}
    done = lab.run([compiled(LOADING, "-ldl"), *(str(other()) for other in others)], env=env)
    lab.equal("exit status, stdout, stderr", (done.status, done.stdout, done.stderr), (0, "3 0 4\n", ""))


def static_child():
    """A static program that inherits the variable does not see it; its parent's counts are its own."""
    lab.not_under_sanitizer("the program is static")
    child = compiled("int main(void) { return 5; }\n", "-static-pie")
    done = lab.run(["/bin/sh", "-c", f"{child}; echo $?"], env={"LD_PRELOAD": str(SHIM)})
    lab.equal("exit status, stdout, stderr", (done.status, done.stdout, done.stderr), (0, "5\n", ""))


def of(function, *arguments, **named):
    return functools.partial(function, *arguments, **named)


lab.main([
    ("AddressSanitizer, gcc", of(sanitized, "address")),
    ("AddressSanitizer, gcc, static runtime", of(sanitized, "address", more=["-static-libasan"])),
    ("AddressSanitizer, clang, shared runtime", of(sanitized, "address", "clang", ["-shared-libasan"])),
    ("ThreadSanitizer, gcc", of(sanitized, "thread")),
    ("preloaded twice by a link", of(twice, linked)),
    ("preloaded twice from a copy", of(twice, copied)),
    ("LD_BIND_NOW", lambda: fills([lab.client("fill"), "127.0.0.1", str(PORT)], {**SOURCES, "LD_BIND_NOW": "1"})),
    ("no address space layout randomisation", lambda: fills(["setarch", "-R", lab.client("fill"), "127.0.0.1", str(PORT)], SOURCES)),
    ("dlopen", of(loaded, lambda: SHIM, preloaded=False)),
    ("dlopen beside the preload", of(loaded, lambda: SHIM, preloaded=True)),
    ("dlopen of a copy beside the preload", of(loaded, copied, preloaded=True)),
    ("a static-pie child", static_child),
])
