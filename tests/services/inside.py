#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""inside - what tests/services/run plays where systemd was booted. The last line is `passed`, or what went wrong."""
import glob
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

SYSTEM = pathlib.Path("/etc/systemd/system")
SHIM = glob.glob("/usr/lib/*/headroom/libheadroom.so")[0]
SOURCES = [f"127.0.0.{n}" for n in range(1, 5)]
LIST = "127.0.0.1-127.0.0.4"
METRICS = "http://127.0.0.1:9816/metrics"
PATIENCE_S = 60
PHP = glob.glob("/usr/sbin/php-fpm*")[0].removeprefix("/usr/sbin/php-fpm")


def fail(text):
    print(text)
    sys.exit(1)


def run(*words, status=0):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if status is not None and done.returncode != status:
        fail(f"FAILED: {' '.join(words)}: exit status {done.returncode}, expected {status}\n{done.stdout}")
    return done.stdout


def says(text, *wanted):
    for part in wanted:
        if part not in text:
            fail(f"FAILED: {part!r} is not in {text!r}")


def unit(name, text):
    (SYSTEM / f"{name}.service").write_text(text)
    run("systemctl", "daemon-reload")


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            fail(f"FAILED: waited for {what}")
        time.sleep(0.1)


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def peers():
    return json.loads(get("http://127.0.0.1:7000/peers"))


def property_of(name, key):
    return run("systemctl", "show", "-p", key, "--value", name).strip()


def loaded(name):
    maps = pathlib.Path(f"/proc/{property_of(name, 'MainPID')}/maps")
    return SHIM in maps.read_text()


def drop_ins():
    return [str(path) for folder in (SYSTEM, pathlib.Path("/run/systemd/system")) for path in folder.glob("*.d/50-headroom.*")]


def spread(what, make=None):
    """All four sources are seen at the backend."""
    peers()
    seen = set()

    def all_seen():
        for _ in range(20 if make else 0):
            make()
        seen.update(set(peers()) - {"127.0.0.1"})
        return seen >= set(SOURCES[1:])
    wait_for(all_seen, f"all sources of {what}; seen {seen}")


def backend():
    unit("backend", "[Service]\nExecStart=/usr/bin/python3 /srv/backend.py\n")
    run("systemctl", "start", "backend")
    wait_for(lambda: not subprocess.run(["curl", "-s", "http://127.0.0.1:7000/"], stdout=subprocess.DEVNULL, check=False).returncode,
             "the backend")


def nginx():
    """As a proxy."""
    pathlib.Path("/etc/nginx/sites-enabled/default").write_text(
        "server { listen 8080; location / { proxy_pass http://127.0.0.1:7000; }\n"
        f" location ~ [.]php$ {{ root /srv; include fastcgi_params; fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;"
        f" fastcgi_pass unix:/run/php/php{PHP}-fpm.sock; }} }}\n")
    run("systemctl", "restart", "nginx")
    says(run("headroom", "service", "enable", "nginx", "--sources", LIST, "--watch", "1"), "restarting nginx.service", "runs under the shim")
    spread("nginx", lambda: get("http://127.0.0.1:8080/"))


def redis():
    """As a replica, with the hardened unit of the distribution. Protected mode would refuse all but 127.0.0.1."""
    unit("master", "[Service]\nExecStart=/usr/bin/redis-server --port 6380 --save '' --protected-mode no\n")
    run("systemctl", "start", "master")
    run("systemctl", "restart", "redis-server")
    run("headroom", "service", "enable", "redis-server", "--sources", "127.0.0.3", "--watch", "1")
    wait_for(lambda: "PONG" in run("redis-cli", "ping", status=None), "redis")
    run("redis-cli", "replicaof", "127.0.0.1", "6380")
    wait_for(lambda: "ip=127.0.0.3" in run("redis-cli", "-p", "6380", "info", "replication", status=None), "a replica from 127.0.0.3")
    if not loaded("redis-server"):
        fail("FAILED: redis-server has no shim")


def php():
    pathlib.Path("/srv/many.php").write_text(
        "<?php for ($i = 0; $i < 8; $i++) { $f = fsockopen('127.0.0.1', 7000); fwrite($f, \"GET / HTTP/1.0\\r\\n\\r\\n\"); fgets($f); fclose($f); }")
    name = f"php{PHP}-fpm"
    run("systemctl", "restart", name)
    run("headroom", "service", "enable", name, "--sources", LIST, "--watch", "1")
    spread(name, lambda: get("http://127.0.0.1:8080/many.php"))


def python():
    """Hardened, as a careful administrator has it."""
    unit("worker", "[Service]\nExecStart=/usr/bin/python3 /srv/worker.py\nDynamicUser=yes\nSystemCallFilter=@system-service\n"
         "RestrictAddressFamilies=AF_INET AF_INET6\nProtectProc=invisible\nProcSubset=pid\nMemoryDenyWriteExecute=yes\nPrivateTmp=yes\n"
         "ProtectSystem=strict\nPrivateDevices=yes\nCapabilityBoundingSet=\nNoNewPrivileges=yes\n"
         "Environment=LD_PRELOAD=libm.so.6\n")
    run("systemctl", "start", "worker")
    says(run("headroom", "service", "enable", "worker", "--sources", "auto", status=2), "AF_NETLINK", "headroom attach worker.service")
    says(run("headroom", "service", "enable", "worker", "--sources", LIST, "--watch", "1"), "note: ProcSubset=pid", "runs under the shim")
    says(property_of("worker", "Environment"), f"LD_PRELOAD={SHIM}:libm.so.6")
    spread("the worker")


def go():
    if not os.path.exists("/srv/go-service"):
        print("skip  a Go service: no go to build it")
        return
    unit("gopher", "[Service]\nExecStart=/srv/go-service\n")
    run("systemctl", "start", "gopher")
    pid = property_of("gopher", "MainPID")
    says(run("headroom", "service", "enable", "gopher", "--sources", LIST, status=2), "/srv/go-service",
         f"headroom attach gopher.service --sources {LIST}")
    if property_of("gopher", "MainPID") != pid:
        fail("FAILED: the Go service was restarted")


def more_rights():
    """The loader drops LD_PRELOAD for a set-user-ID or set-group-ID program, or one with file capabilities: attach reaches it, and is offered."""
    for name, mode, capability in (("setuid", 0o4755, None), ("setgid", 0o2755, None), ("filecap", 0o755, "cap_net_bind_service+ep")):
        program = pathlib.Path(f"/srv/{name}")
        program.write_bytes(pathlib.Path("/bin/sleep").read_bytes())
        program.chmod(mode)
        if capability:
            run("setcap", capability, str(program))
        # Capabilities of the file that are to be effective make it secure with NoNewPrivileges= too.
        for user, more, reached in (("nobody", "", False), ("nobody", "NoNewPrivileges=yes", not capability), ("root", "", True)):
            unit(name, f"[Service]\nUser={user}\nExecStart={program} 1000\n{more}\n")
            run("systemctl", "restart", name)
            pid = property_of(name, "MainPID")
            if reached:
                says(run("headroom", "service", "enable", name, "--sources", LIST, "--watch", "0"), "runs under the shim")
                if not loaded(name):
                    fail(f"FAILED: {name} of {user}, {more}: no shim")
                run("headroom", "service", "disable", name)
                continue
            says(run("headroom", "service", "enable", name, "--sources", LIST, status=2), str(program), "the loader ignores LD_PRELOAD",
                 f"headroom attach {name}.service --sources {LIST}")
            if property_of(name, "MainPID") != pid or drop_ins() != before:
                fail(f"FAILED: {name} was touched")


def attached():
    """What is offered: a set-user-ID client of a user spreads by it, and the exporter tells of it as far as it may."""
    if subprocess.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"], check=False).returncode:
        print("skip  attach: no BPF file system here")
        return
    program = pathlib.Path("/srv/own-curl")
    program.write_bytes(pathlib.Path("/usr/bin/curl").read_bytes())
    program.chmod(0o4755)
    unit("curls", "[Service]\nUser=nobody\nExecStart=/bin/sh -c 'while sleep 0.05; do /srv/own-curl -s http://127.0.0.1:7000/; done'\n"
         "StandardOutput=null\n")
    run("systemctl", "start", "curls")
    run("headroom", "attach", "curls.service", "--sources", LIST)
    spread("a set-user-ID client")
    run("systemctl", "restart", "headroom-exporter")
    wait_for(lambda: "headroom_attach_hidden 1" in run("curl", "-s", METRICS, status=None), "a metric that says what is hidden")
    says(run("journalctl", "--no-pager", "-u", "headroom-exporter"), "attached cgroups are not in the metrics: needs root, or CAP_BPF")
    folder = SYSTEM / "headroom-exporter.service.d"
    folder.mkdir()
    page = pathlib.Path("/usr/share/doc/headroom/docs/users/install.md").read_text().split("### The exporter and attached cgroups")[1]
    (folder / "rights.conf").write_text("".join(f"{line.strip()}\n" for line in page.splitlines() if line.startswith("    ")))
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "headroom-exporter")
    wait_for(lambda: "headroom_attach_opened_total{" in run("curl", "-s", METRICS, status=None), "metrics of the attached cgroup")
    (folder / "rights.conf").unlink()
    folder.rmdir()
    run("headroom", "detach", "--all")
    run("systemctl", "stop", "curls")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "headroom-exporter")


def host():
    """The kernel tells of processes in its first namespaces alone, so here it is refused, and nothing of it is left."""
    says(run("headroom", "host", "enable", "--include", "curl", status=2), "nothing was changed", "headroom host watch")
    if os.path.lexists("/etc/ld.so.preload") or property_of("headroom-host-watch.service", "LoadState") != "not-found":
        fail("FAILED: something of headroom host is left")


def sandboxes():
    """What the loader cannot do there is found before the unit is touched."""
    for name, text, words, wanted in (
            ("noexec", f"NoExecPaths={os.path.dirname(SHIM)}", [], "in its sandbox the shim does not work"),
            ("alone", "PrivateNetwork=yes", ["--sources", LIST], "loopback alone"),
            ("nobind", "SystemCallFilter=@system-service\nSystemCallFilter=~bind", ["--sources", LIST], "bind()"),
            ("unset", "UnsetEnvironment=LD_PRELOAD", [], "takes LD_PRELOAD out")):
        unit(name, f"[Service]\nExecStart=/bin/sleep 1000\n{text}\n")
        run("systemctl", "start", name)
        pid = property_of(name, "MainPID")
        says(run("headroom", "service", "enable", name, *words, status=2), wanted, "nothing was changed")
        if property_of(name, "MainPID") != pid or drop_ins() != before:
            fail(f"FAILED: {name} was touched")


def failing():
    """A service that cannot live with it runs afterwards as before: at once, later, and with Type=notify that never comes."""
    for name, text in (("atonce", "ExecStart=/bin/sh -c 'test -z \"$LD_PRELOAD\" || exit 3; exec sleep 1000'"),
                       ("later", "Restart=always\nRestartSec=100ms\nExecStart=/bin/sh -c 'test -z \"$LD_PRELOAD\" || { sleep 0.3; exit 3; }; exec sleep 1000'"),
                       ("never", "Type=notify\nNotifyAccess=all\nTimeoutStartSec=3\nExecStart=/bin/sh -c 'test \"$LD_PRELOAD\" || systemd-notify --ready; exec sleep 1000'")):
        unit(name, f"[Service]\n{text}\n")
        run("systemctl", "start", name)
        says(run("headroom", "service", "enable", name, "--watch", "2", status=1), "taken back, and restarted as it was")
        if property_of(name, "ActiveState") != "active" or drop_ins() != before or "LD_PRELOAD" in property_of(name, "Environment"):
            fail(f"FAILED: {name} is not as before")


def exporter():
    """Of a user of its own, and it sees the processes of others."""
    run("systemctl", "restart", "headroom-exporter")
    wait_for(lambda: "headroom_" in run("curl", "-s", METRICS, status=None), "the exporter")
    wait_for(lambda: all(f'"{name}"' in run("curl", "-s", METRICS, status=None)
                         for name in ("nginx", "redis-server", "python3")), "metrics of all services")
    user = run("ps", "-o", "user:32=", "-p", property_of("headroom-exporter", "MainPID")).strip()
    if user != "headroom-exporter":
        fail(f"FAILED: the exporter runs as {user}")


def record():
    """The unit of the documentation: it keeps what happens, of root's sight, comes back after SIGKILL and ends as asked."""
    [example] = glob.glob("/usr/share/doc/*/examples/systemd/headroom-record.service")
    unit("headroom-record", pathlib.Path(example).read_text().replace("headroom record", "headroom record --interval 1"))
    run("systemctl", "enable", "--now", "headroom-record")
    unit("holder", "[Service]\nUser=nobody\nExecStart=/usr/bin/python3 -c \"import socket, time; "
         "kept = [socket.create_connection(('127.0.0.1', 7000)) for _ in range(40)]; time.sleep(1000)\"\n")
    run("systemctl", "start", "holder")
    wait_for(lambda: "holder.service" in run("headroom", "top", "--at", "0s", status=None), "the holder in the history")
    says(run("headroom", "report", "--since", "1h", status=None), "127.0.0.1:7000", "holder.service")
    if property_of("headroom-record", "ActiveState") != "active":
        fail("FAILED: " + run("systemctl", "status", "headroom-record", status=None))
    mode = os.stat("/var/lib/headroom/history").st_mode & 0o777
    if mode != 0o640:
        fail(f"FAILED: the history has mode {mode:o}")
    before_kill = property_of("headroom-record", "MainPID")
    run("systemctl", "kill", "-s", "KILL", "headroom-record")
    run("systemctl", "stop", "holder")
    wait_for(lambda: property_of("headroom-record", "MainPID") not in ("0", before_kill), "the restart")
    wait_for(lambda: "holder.service" not in run("headroom", "top", "--at", "0s", status=None), "a look without the holder")
    says(run("headroom", "report", "--since", "1h", status=None), "holder.service", "not recorded 1 time,")
    run("systemctl", "disable", "--now", "headroom-record")
    if property_of("headroom-record", "Result") != "success":
        fail("FAILED: it did not end as asked: " + property_of("headroom-record", "Result"))


def listed():
    text = run("headroom", "service", "list")
    for name in ("nginx", "redis-server", f"php{PHP}-fpm", "worker"):
        says(text, f"{name}.service, sources ")
    if text.count("under the shim, process") != 4:
        fail(f"FAILED: {text}")


def disabled():
    run("headroom", "service", "disable", "nginx")
    if drop_ins() == before or loaded("nginx"):
        fail("FAILED: nginx still has the shim")
    get("http://127.0.0.1:8080/")
    run("headroom", "service", "disable", "--all")
    if drop_ins() or any(map(loaded, ("redis-server", f"php{PHP}-fpm", "worker"))):
        fail("FAILED: some still have the shim")
    says(run("headroom", "service", "list"), "no service has the shim")


def removed():
    """The package goes while a service has it: the drop-in goes, the service runs on, and starts again without."""
    run("headroom", "service", "enable", "worker", "--sources", LIST, "--watch", "1")
    says(run("dpkg", "-r", "headroom-exporter", "headroom", "libheadroom"), "removed /etc/systemd/system/worker.service.d/50-headroom.conf")
    if drop_ins():
        fail(f"FAILED: left: {drop_ins()}")
    if property_of("worker", "ActiveState") != "active":
        fail("FAILED: the worker does not run any more")
    run("systemctl", "restart", "worker")
    if property_of("worker", "Environment") != "LD_PRELOAD=libm.so.6":
        fail("FAILED: the worker's environment: " + property_of("worker", "Environment"))


print("booted", run("systemctl", "--version").splitlines()[0], flush=True)
before = []
for step in (backend, nginx, redis, php, python, go, sandboxes, more_rights, failing, exporter, record, attached, host, listed, disabled, removed):
    if sys.argv[1:] and step.__name__ not in ("backend", *sys.argv[1:]):
        continue
    before = drop_ins()
    step()
    print(f"ok    {step.__name__}", flush=True)
print("passed")
