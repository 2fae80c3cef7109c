# SPDX-License-Identifier: Apache-2.0
"""recipes - what programs do in a row, where chance alone would not come to it soon.

Each recipe is a function of a Draft (programs.py) that gives lines for the block main; its first line says what it is about.
The number beside its name is how often it is taken.
"""


def _family(d):
    return d.random.choice((4, 4, 4, 6))


def _kind(d, family, mptcp=0.1):
    return ("mptcp" if d.random.random() < mptcp else "tcp") + str(family)


def _end(d, s):
    return d.random.choice(([f"close {s}"], [f"reset {s}"], [f"shutdown {s} w", f"drain {s}", f"close {s}"], [],
                            [f"close {s}"]))


def _ms(d):
    """Milliseconds for a connect() that may be one of those that get no answer; 0: the kernel's."""
    return 150 if d.bad or "marks" in d.world else 0


def _fork(d, block):
    """A child, and by what it is made."""
    return f"{d.random.choice(('fork', 'fork', 'fork-by _fork', 'fork-by clone'))} {block}"


def _unspec(d):
    """bind() to AF_UNSPEC is one to 0.0.0.0."""
    return f"unspec:{d.random.choice((0, 0, 5005))}"


def dial(d):
    """A client: connects, looks, talks, ends."""
    family = _family(d)
    s = d.slot()
    dest = d.dest("echo", "greet", "unset", "own", family=family)
    looks = d.random.sample([f"name {s}", f"peer {s}", f"dump {s}", f"state {s}", f"flags {s}", f"get {s} SO_ERROR"], 3)
    talk = [f"talk {s} {d.random.randint(1, 300)}"] if d.random.random() < 0.6 else []
    return [f"socket {s} {_kind(d, family)} -", f"connect {s} {dest}", *d.settle(s, dest), *looks, *talk,
            *_end(d, s)]


def dial_slowly(d):
    """A client with an event loop."""
    family = _family(d)
    s, e = d.slot(), d.slot()
    dest = d.dest("echo", "close", "reset", "refused", "unset", "lost", "deny", family=family)
    wait = [f"epoll {e}", f"epoll-ctl {e} {s} add o", f"epoll-wait {e}"] if d.random.random() < 0.4 else []
    look = d.random.choice(([f"get {s} SO_ERROR"], [f"connect {s} {dest}"], [f"peer {s}", f"recv {s} 0 now"]))
    before = wait if d.random.random() < 0.5 else []
    after = [] if before else wait
    return [f"socket {s} {_kind(d, family)} n", *before, f"connect {s} {dest}", *d.settle(s, dest), f"await {s} o 250", *after, *look,
            f"name {s}", f"state {s}", *_end(d, s)]


def many(d):
    """Loops of connections, kept or closed."""
    dest = d.dest("echo", "mute", "unset", family=_family(d))
    count = d.many(d.random.choice((4, 8, 12, 40 if d.bad else 20)))
    how = d.random.choice(("c", "k", "r", "t"))
    if d.random.random() < 0.25:
        dest = d.dest("deny")
        how = "t"
    if how == "t":
        dest = d.dest("echo")
    lines = [f"loop {count} {dest} {how} {_ms(d)}"]
    if d.random.random() < 0.3:
        lines.append(f"loop {count} {d.dest('echo', 'mute')} c {_ms(d)}")
    return lines


def exhaust(d):
    """More than there is; then on."""
    if d.size > 60 or d.natural_is_bad:
        return many(d)
    dest = d.dest("echo", "mute", family=_family(d))
    s = d.slot()
    lines = [f"loop {d.size + d.random.choice((-2, 3, 10))} {dest} {d.random.choice('kkc')} {_ms(d)}"]
    if d.random.random() < 0.3:
        lines.append(f"bind-loop 10 {d.local()}:0")
    if d.random.random() < 0.5:
        lines += [f"socket {s} tcp4 -", f"connect {s} {d.dest('echo', family=4)}", f"name {s}"]
    return lines


def routed(d):
    """Options on which the route depends."""
    s = d.slot()
    family = d.random.choice((4, 4, 6))
    option = d.random.choice(("SO_MARK 1", "SO_MARK 1", "IP_TOS 16", "SO_MARK 2", "SO_BINDTODEVICE c0", "IP_UNICAST_IF 0x02000000",
                              "IPV6_ADDR_PREFERENCES 1", "IPV6_TCLASS 16", "SO_BINDTODEVICE lo", "SO_DONTROUTE 1",
                              "IPV6_UNICAST_IF 0x02000000"))
    loops = []
    if "marks" in d.world:
        option = d.random.choice(("SO_MARK 1", "SO_MARK 1", "IP_TOS 16"))
        dest = d.dest("echo", family=4)
        if d.random.random() < 0.5 and d.size <= 60:
            # Unmarked connections have used up what there is; the marked ones leave by the other uplink.
            loops = [f"loop {d.size + 4} {dest} k 0", f"marked-loop {d.random.choice((5, 20))} {dest} k 300 1"]
        else:
            loops = [f"marked-loop 6 {dest} c 300 1"]
    return [f"socket {s} tcp{family} -", f"set {s} {option}", f"set {s} SO_SNDTIMEO 250",
            f"connect {s} {d.dest('echo', family=family)}", f"name {s}", f"dump {s}", *_end(d, s), *loops]


def bound(d):
    """A source of the program's own, without a port; who looks, and when."""
    family = _family(d)
    s, t = d.slot(), d.slot()
    local = f"{d.local(family)}:0"
    dest = d.dest("echo", "refused", family=family)
    first = [f"socket {s} {_kind(d, family)} -", f"bind {s} {local}"]
    look = [f"name {s}"] if d.random.random() < 0.4 else []
    second = d.random.choice((
        [f"connect {s} {dest}", f"name {s}", f"dump {s}"],
        [f"listen {s} 4", f"name {s}", f"socket {t} tcp{family} -", f"state {s}"],
        [f"bind {s} {local}", f"name {s}"],
        [f"bind {s} {_unspec(d)}", f"name {s}", f"connect {s} {dest}", f"name {s}"],
        [f"set {s} SO_REUSEADDR 1", f"connect {s} {dest}", f"name {s}"],
        [f"get {s} IP_BIND_ADDRESS_NO_PORT", f"get {s} IP_LOCAL_PORT_RANGE", f"connect {s} {dest}", f"dump {s}"],
    ))
    return [*first, *look, *second, *_end(d, s)]


def bound_before(d):
    """A deferred bind() and something that makes it real: fork, exec, passing, a filter, another root."""
    s = d.slot()
    p, q = d.slot(), d.slot()
    first = [f"socket {s} tcp4 -", f"bind {s} {d.local(4)}:0"]
    r = d.slot()
    way = d.random.randrange(6)
    if way == 0:
        return [*first, _fork(d, d.block([f"name {s}", f"listen {s} 3", f"name {s}"])), "wait", f"name {s}"]
    if way == 1:
        return [*first, f"spawn {d.block([f'name {s}', f'dump {s}'])}", "wait", f"name {s}"]
    if way == 2:
        return [f"pair {p} {q}", *first, f"fork {d.block([f'recvfd {r} {q}', f'name {r}', f'dump {r}'])}",
                f"sendfd {s} {p}", "wait", f"name {s}"]
    if way == 3:
        call = d.random.choice(("bind", "setsockopt", "getsockopt"))
        return [*first, f"filter {call} {d.random.choice(('errno', 'kill')) if call == 'bind' else 'errno'} "
                        f"{d.random.choice(('prctl', 'seccomp'))}", f"name {s}", f"listen {s} 3", f"name {s}"]
    if way == 4:
        return [*first, "chroot", f"name {s}", f"listen {s} 3", f"name {s}"]
    return [*first, f"exec {d.block([f'name {s}', f'dump {s}', f'listen {s} 2'])}"]


def filtered(d):
    """A sandbox that answers with an error, before or after the first connect()."""
    family = _family(d)
    s, t = d.slot(), d.slot()
    dest = d.dest("echo", family=family)
    call = d.random.choice(("setsockopt", "bind", "getsockopt", "openat", "getsockname", "mmap", "recvfrom", "fcntl", "ppoll"))
    early = [f"socket {s} tcp{family} -", f"connect {s} {dest}"] if d.random.random() < 0.5 else []
    return [*early, f"filter {call} errno {d.random.choice(('prctl', 'seccomp'))}", f"socket {t} tcp{family} -",
            f"connect {t} {dest}", f"peer {t}", f"talk {t} 5", f"close {t}", *([f"close {s}"] if early else [])]


def again(d):
    """A refusal; then the same socket is used for something else."""
    family = _family(d)
    s, t = d.slot(), d.slot()
    second = d.random.choice((
        [f"connect {s} {d.dest('echo', family=family)}", f"name {s}"],
        [f"connect {s} {d.dest('echo', family=4)}", f"peer {s}"],
        [f"bind {s} {'[::]' if family == 6 else '0.0.0.0'}:5005", f"listen {s} 4", f"socket {t} tcp4 -",
         f"connect {t} 127.0.0.1:5005", f"peer {t}"],
        [f"bind {s} {d.local(family)}:0", f"name {s}"],
        [f"bind {s} {_unspec(d)}", f"name {s}", f"listen {s} 2", f"name {s}"],
        [f"connect {s} {d.dest('refused', family=family)}", f"get {s} SO_ERROR"],
        [f"listen {s} 2", f"name {s}"],
        [f"connect {s} unspec:0", f"name {s}", f"connect {s} {d.dest('echo', family=family)}"],
    ))
    if family == 6 and d.random.random() < 0.4:
        second = [f"connect {s} [::ffff:127.0.0.1]:7001", f"peer {s}"]
    flags = d.random.choice(("-", "-", "n"))
    wait = [f"await {s} o 300", f"get {s} SO_ERROR"] if flags == "n" else []
    return [f"socket {s} {_kind(d, family, 0.05)} {flags}", f"connect {s} {d.dest('refused', family=family)}", *wait,
            f"name {s}", f"dump {s}", *second, *_end(d, s)]


def disconnected(d):
    """AF_UNSPEC in connect() and bind()."""
    family = _family(d)
    s = d.slot()
    dest = d.dest("echo", family=family)
    if d.random.random() < 0.5:
        return [f"socket {s} tcp4 -", f"bind {s} unspec:{d.random.choice((0, 5006, 5007))}", f"name {s}",
                f"connect {s} {d.dest('echo', family=4)}", f"name {s}", f"dump {s}"]
    return [f"socket {s} tcp{family} -", f"connect {s} {dest}", f"connect {s} unspec:0", f"name {s}",
            f"state {s}", f"connect {s} {dest}", f"name {s}", f"talk {s} 9"]


def eaten(d):
    """An error that another process waits for while this one closes."""
    c = d.slot()
    way = d.random.randrange(3)
    if way == 0:
        child = d.block(["turn 1", f"recv {c} 8 now", f"get {c} SO_ERROR", f"recv {c} 8 now"])
        return [f"socket {c} tcp4 -", f"connect {c} {d.dest('reset', family=4)}", f"await {c} ih 300",
                _fork(d, child), f"close {c}", "next", "wait"]
    if way == 1:
        child = d.block(["turn 1", f"await {c} o 300", f"get {c} SO_ERROR", f"get {c} SO_ERROR"])
        return [f"socket {c} tcp4 n", f"connect {c} {d.dest('refused', family=4)}", _fork(d, child), f"await {c} o 300",
                f"close {c}", "next", "wait"]
    copy = d.slot()
    return [f"socket {c} tcp4 -", f"connect {c} {d.dest('reset', family=4)}", f"dup {copy} {c}",
            f"await {c} ih 300", f"close {c}", f"recv {copy} 8 now", f"get {copy} SO_ERROR", f"close {copy}"]


def small_stack(d):
    """Threads and signal handlers with as little stack as there may be."""
    s = d.slot()
    family = _family(d)
    body = [f"socket {s} tcp{family} -", f"connect {s} {d.dest('echo', family=family)}", f"close {s}"]
    if d.random.random() < 0.3:
        body = [f"socket {s} tcp4 -", f"bind {s} {d.local(4)}:0", f"connect {s} {d.dest('echo', family=4)}",
                f"name {s}", f"close {s}"]
    if d.random.random() < 0.6:
        return [f"thread {d.block(body)} {d.random.choice((16384, 16384, 65536))}", "join"]
    return ["alternate 8192", f"handler usr1 {d.block(body)} s", "raise usr1", "depth"]


def networks(d):
    """Two networks, one of them used up: in two threads, or with sockets that one thread gets there, as HAProxy does."""
    dest = "127.0.0.1:7001"
    first = [f"loop {d.size + 5} {dest} k 0"] if d.size <= 60 else [f"loop 10 {dest} k 0"]
    if "other" in d.world and d.random.random() < 0.6:
        if d.size <= 60 and d.random.random() < 0.5:
            # A server of its own at a port that no other has, in both networks.
            return [f"visit {d.random.choice((3, 10))} 127.0.0.1:6900", *dial(d)]
        if d.random.random() < 0.3:
            return [*first, "setns other", f"loop 20 {dest} c 0"]
        there = [d.slot() for _ in range(d.random.choice((3, 6)))]
        made = [f"socket {s} tcp4 -" for s in there]
        used = [line for s in there for line in (f"connect {s} {dest}", f"name {s}", f"close {s}")]
        if d.random.random() < 0.5:
            return ["setns other", *made, "setns near", *first, *used, f"loop 3 {dest} c 0"]
        return [f"loop 2 {dest} c 0", "setns other", f"loop {d.random.choice((5, 20))} {dest} {d.random.choice('cck')} 0", *made,
                *used, "setns near", *first]
    if "other" in d.world:
        lines = ["setns other", "next", "turn 2", f"loop {min(d.size, 60) + 10} {dest} {d.random.choice('kc')} 0", "next"]
    else:
        server = d.slot()
        lines = ["unshare net", "range 40000 40999", "next", "turn 2", f"socket {server} tcp4 -", f"bind {server} {dest}",
                 f"listen {server} 8", f"loop 7 {dest} k 0", "next"]
    return [f"thread {d.block(lines)} 262144", "turn 1", *first, "next", "turn 3", f"loop 3 {dest} c 0", "join"]


def quiet_errors(d):
    """Standard error is not a place for lines: a socket, a background job's terminal, a file at its limit."""
    dest = d.dest("echo", "mute", family=4)
    count = d.many(min(d.size + 3, 60))
    d.header["log"] = "default"
    way = d.random.randrange(3)
    loop = [f"loop {count} {dest} k {_ms(d)}"]
    if way == 0:
        d.header["stdio"] = f"{d.random.choice(('null', 'socket'))} {d.random.choice(('socket', 'file'))} socket"
        return ["write #2 12", *loop, "write #2 7"]
    if way == 1:
        d.header["stdio"] = "null file pty"
        return [*loop, "blocked"]
    d.header["stdio"] = "null file file"
    return ["write #2 64", "limit fsize 64", *loop, "blocked", "disposition xfsz"]


def numbers(d):
    """At the limit of fds: none of ours is in the way."""
    s = d.slot()
    return [f"socket {s} tcp4 -", f"fill {d.random.choice((0, 0, 1, 2))}", f"connect {s} {d.dest('echo', 'refused', family=4)}",
            f"name {s}", "spare", f"socket {d.slot()} tcp4 -", f"close {s}", "spare"]


def contend(d):
    """One spare fd, which another thread opens and closes all the time."""
    return ["fill 2", f"contend 150 {d.random.choice(('127.0.0.1', '127.0.0.5'))}"]


def fast(d):
    """Fast Open, asked for by option or by a send."""
    family = _family(d)
    s = d.slot()
    dest = d.dest("echo", family=family)
    if d.random.random() < 0.5:
        talk = d.random.choice(([], [f"talk {s} 5"], [f"send {s} 3", f"await {s} i 500"]))
        return [f"socket {s} tcp{family} {d.random.choice(('-', '-', 'n'))}", f"set {s} TCP_FASTOPEN_CONNECT 1",
                f"connect {s} {dest}", f"name {s}", f"state {s}", *talk, f"name {s}", f"dump {s}", *_end(d, s)]
    return [f"socket {s} tcp{family} -", f"fast-open {s} {dest} {d.random.choice(('sendto', 'sendmsg', 'sendmmsg'))}",
            f"name {s}", f"peer {s}", f"await {s} i 500", *d.random.choice(([], [f"recv {s} 90 now"])), *_end(d, s)]


def own_files(d):
    """A thread that leaves the table of fds which the others share."""
    a, z = d.slot(), d.slot()
    child = d.block(["unshare files", "next", "turn 2", f"socket {z} tcp4 -", "next"])
    return [f"thread {child} 65536", "turn 1", f"socket {a} tcp4 -", f"bind {a} 127.0.0.1:0", "next", "turn 3",
            f"name {a}", "join"]


def odd_ways(d):
    """Flags that are refused leave everything as it is; a stream that is opened anew ends what it had."""
    s, t = d.slot(), d.slot()
    dest = d.dest("echo", family=4)
    first = [f"socket {s} tcp4 -", f"connect {s} {dest}"]
    # What was taken for the end of a connection may be another end than it has at last.
    end = d.random.choice((f"close {s}", f"reset {s}", f"reset {s}"))
    way = d.random.randrange(5)
    if way == 0:
        return [*first, f"open {t}", f"dup3 {t} {s} 0x7000", f"talk {s} 5", f"name {s}", end]
    if way == 1:
        return [*first, f"close-range {s} {s} 0x80000000", f"talk {s} 5", f"name {s}", end]
    if way == 2:
        dest = d.dest("echo", "close", family=4)
        return [f"socket {s} tcp4 -", f"connect {s} {dest}", *d.settle(s, dest), f"fdopen {s}",
                f"freopen {s} {d.random.choice(('null', 'missing'))}", f"flags {s}", f"fclose {s}"]
    if way == 3:
        return [*first, f"cancelled {d.random.choice(('close', 'close', 'recv'))} {s} {dest}", f"name {s}", f"talk {s} 4", end]
    return [f"socket {s} tcp4 -", f"cancelled connect {s} {dest}", f"name {s}", f"state {s}", f"connect {s} {dest}",
            f"close-call {s}"]


def scripts(d):
    """Old and new versions of posix_spawn()."""
    return [f"spawn-script {d.random.choice(('old', 'old', 'new'))}"]


def ports(d):
    """Ports that connect() takes: of one parity far from the knee, never that of its own destination."""
    lines = []
    if any(name == "odd-port" for name, _ in d.dests):
        odd = d.dest("odd-port")
        if d.size > 60:
            # Many go there, and then nobody listens any more: none is to meet itself.
            s = d.slot()
            lines += [f"socket {s} tcp4 -", f"bind {s} {odd}", f"listen {s} {d.size}", f"loop {d.size * 9 // 25} {odd} c 0",
                      f"accept-all {s} go", f"close {s}", f"loop {d.size * 10} {odd} c 0"]
        else:
            lines.append(f"loop 60 {odd} c 0")
        if d.random.random() < 0.7:
            return lines
    for _ in range(d.random.randint(1, 3)):
        s = d.slot()
        family = _family(d)
        lines += [f"socket {s} tcp{family} -", f"connect {s} {d.dest('echo', 'mute', family=family)}",
                  f"name {s}"]
    return lines


def bound_loops(d):
    """bind(ip, 0) and connect(), again and again: the old way."""
    low_family = 4
    dest = d.dest("echo", "mute", family=low_family)
    local = "127.0.0.1" if dest.startswith("127.") else next(
        (a for a in d.locals if a.startswith("10.1.")), "0.0.0.0")
    # The other uplink lets this source not in.
    few = "marks" in d.world and local.split(".")[1] != dest.split(".")[1]
    count = d.many(d.random.choice((5, 10, d.size + 3 if d.size <= 60 and not few else 12)))
    return [f"bound-loop {count} {dest} {d.random.choice('kcr')} 150 {local}:0"]


def shared_memory(d):
    """Others' use of /dev/shm is none of the program's business."""
    lines = []
    for _ in range(d.random.choice((1, 8, 14))):
        s = d.slot()
        child = d.block([f"socket {s} tcp4 -", f"connect {s} {d.dest('refused', family=4)}"])
        lines.append(f"fork {child}")
        if d.random.random() < 0.5:
            lines.append("wait")
    return lines + ["shm 500"]


def jumps(d):
    """Signals in a call that waits, and a jump out of it."""
    s = d.slot()
    dest = d.dest("lost", "mute")
    if not dest.startswith("192.0.2.9"):
        s2 = d.slot()
        return [f"socket {s2} tcp4 -", f"connect {s2} {d.dest('echo', family=4)}",
                f"handler usr1 {d.block([f'talk {s2} 3', f'close {s2}'])} -", "raise usr1", "blocked"]
    how = d.random.choice(("jump", "eintr", "restart"))
    # Time enough to come to the connect() on a busy machine.
    body = [f"socket {s} tcp4 -", f"set {s} SO_SNDTIMEO 500", "timer 200", f"connect {s} {dest}"]
    if how == "jump":
        return [f"handler alrm {d.block(['jump'])} -", f"landing {d.block(body)}", f"name {s}", f"state {s}", f"close {s}",
                "blocked"]
    return [f"handler alrm {d.block(['blocked'])} {'r' if how == 'restart' else '-'}", *body, f"get {s} SO_ERROR",
            f"state {s}", f"close {s}"]


def bare_streams(d):
    """Standard streams are closed, or connections."""
    s, t = d.slot(), d.slot()
    d.header["stdio"] = d.random.choice(("closed closed closed", "null closed closed", "closed file file", "socket socket socket"))
    d.header["log"] = d.random.choice(("default", "off"))
    return [f"socket {s} tcp4 -", f"socket {t} tcp4 -", f"connect {s} {d.dest('echo', family=4)}",
            f"name {s}", *(exhaust(d) if d.random.random() < 0.4 else []), f"talk {s} 5", f"dup2 {s} #2", "write #2 4",
            f"close {s}"]


def handed_on(d):
    """A connection goes through exec, vfork, passing; both ends of it are used."""
    s, r, p, q = d.slot(), d.slot(), d.slot(), d.slot()
    first = [f"socket {s} tcp4 -", f"connect {s} {d.dest('echo', family=4)}"]
    way = d.random.randrange(4)
    if way == 0:
        return [*first, f"vfork {s} {d.block(['spare', f'socket {r} tcp4 -'])}", "wait", f"talk {s} 5", f"close {s}"]
    if way == 1:
        return [f"pair {p} {q}", *first, f"fork {d.block([f'recvfd {r} {q}', f'talk {r} 4', f'close {r}'])}",
                f"sendfd {s} {p}", f"close {s}", "wait"]
    if way == 2:
        return [*first, f"exec {d.block([f'talk {s} 4', f'name {s}', f'close {s}', *many(d)])}"]
    return [*first, _fork(d, d.block([f"talk {s} 3", f"close {s}", "next"])), f"close {s}", "wait", *many(d)]


def datagrams(d):
    """UDP and Unix sockets are none of ours."""
    s = d.slot()
    # From where the unbound server answers: of its addresses the one that routing prefers.
    dest = "10.1.0.1:7007" if any(host.startswith("10.1.0.1:") for _, host in d.dests) else "127.0.0.1:7007"
    return [f"socket {s} udp4 -", f"connect {s} {dest}", f"name {s}", f"talk {s} 9", f"connect {s} unspec:0", f"name {s}",
            f"sendto {s} 4 {dest}", f"recv {s} 9 -", f"close {s}"]


def shut_in(d):
    """Landlock, and a filter without netlink: before a connection, after one, and inherited by a new program."""
    family = _family(d)
    s, t, u = d.slot(), d.slot(), d.slot()
    dest = d.dest("echo", family=family)
    first = [f"socket {s} tcp{family} -", f"connect {s} {dest}"] if d.random.random() < 0.5 else []
    if d.random.random() < 0.4:
        first += [f"socket {u} tcp4 -", f"bind {u} {d.local(4)}:0"]
    wall = d.random.choice(("landlock files", "landlock bind", "filter-netlink errno", "filter-netlink kill", "filter-netlink kill"))
    then = [f"socket {t} tcp{family} -", f"connect {t} {dest}", f"peer {t}", f"name {t}", f"talk {t} 5", f"close {t}",
            f"loop 5 {d.dest('echo', 'mute')} c {_ms(d)}"]
    end = [f"name {u}", f"close {u}"] if len(first) in (2, 4) and first[-1].startswith("bind") else []
    if wall.startswith("filter") and d.random.random() < 0.6:
        return [*first, wall, f"exec {d.block(then)}"]
    return [*first, wall, *then, *end, *([f"close {s}"] if len(first) in (2, 4) and first[0].startswith(f"socket {s}") else [])]


def shared_ports(d):
    """SO_REUSEADDR and SO_REUSEPORT: one port for several connections and listeners of the program's own."""
    family = _family(d)
    s, t, u = d.slot(), d.slot(), d.slot()
    option = d.random.choice(("SO_REUSEADDR", "SO_REUSEPORT"))
    local = f"{d.local(family)}:{d.random.choice((5010, 5011, 0, d.low + 5))}"
    dest = d.dest("echo", family=family)
    other = d.dest("echo", "mute", family=family)
    lines = []
    for slot in (s, t):
        lines += [f"socket {slot} tcp{family} {d.random.choice('-n')}", f"set {slot} {option} {d.random.choice((1, 1, 1, 0))}",
                  f"bind {slot} {local}"]
    ends = d.random.choice((
        [f"connect {s} {dest}", f"connect {t} {other}", f"await {s} o 300", f"await {t} o 300", f"name {s}", f"name {t}"],
        [f"listen {s} 3", f"listen {t} 3", f"name {t}", f"state {s}"],
        [f"connect {s} {dest}", f"await {s} o 300", f"close {s}", f"connect {t} {dest}", f"await {t} o 300", f"name {t}"],
        # The server has closed as well: what is left is a TIME_WAIT, which the next takes over.
        [f"connect {s} {dest}", f"await {s} o 300", f"shutdown {s} w", f"drain {s}", f"close {s}", f"connect {t} {dest}",
         f"await {t} o 300", f"name {t}", f"shutdown {t} w", f"drain {t}", f"close {t}"],
        [f"connect {s} {dest}", f"await {s} o 300", f"socket {u} tcp{family} -", f"set {u} {option} 1", f"bind {u} {local}",
         f"connect {u} {dest}", f"name {u}"],
    ))
    return [*lines, *ends, f"dump {t}", *_end(d, t)]


def sent_elsewhere(d):
    """A program of the cgroup sends connections elsewhere than to where they were made: a service of two servers."""
    if not any(name == "service" for name, _ in d.dests):
        return dial(d)
    s = d.slot()
    dest = d.dest("service")
    count = 2 * d.size + 10 if d.size <= 60 else 20
    return [f"loop {count} {dest} {d.random.choice('kkc')} {_ms(d)}", f"socket {s} tcp4 -", f"connect {s} {dest}",
            f"state {s}", f"talk {s} 5", f"close {s}"]


def beginnings(d):
    """Threads that use their first socket at the same moment, in children made in each way; before the program itself
    has used one, and after."""
    if d.bad or "marks" in d.world:
        return dial(d)
    dest = d.dest("echo", "refused", "mute", family=_family(d))
    first = dial(d) if d.random.random() < 0.3 else []
    if d.random.random() < 0.2:
        return [f"rush {d.random.choice((2, 4, 6))} {dest}", *dial(d)]
    return [*first, f"brood 40 {d.random.choice(('fork', '_fork', 'clone', 'raw'))} {d.random.choice((2, 4))} {dest}"]


def both_ends(d):
    """A connection with itself at the other end, ended by one of the two or by both at once: whose TIME_WAIT is it?"""
    lines = []
    for i in range(d.random.choice((1, 3))):
        order = d.random.choice(("near", "far", "far", "both"))
        lines.append(f"ends {order} {d.random.choice(('close', 'shut'))} 127.0.0.1:{6910 + i}")
    return [*lines, *(dial(d) if d.random.random() < 0.3 else [])]


def turned_around(d):
    """A socket that served or listened, or changed its family, goes out."""
    l, c, a = d.slot(), d.slot(), d.slot()
    dest = d.dest("echo", family=4)
    out = [f"connect {a} {dest}", f"peer {a}", f"talk {a} 5", *_end(d, a)]
    way = d.random.randrange(3)
    if way == 0:
        at = f"127.0.0.1:{d.random.choice((6920, 6921))}"
        return [f"socket {l} tcp4 -", f"bind {l} {at}", f"listen {l} 3", f"socket {c} tcp4 -", f"connect {c} {at}", f"accept {a} {l}",
                f"connect {a} unspec:0", *out, f"close {c}", f"close {l}"]
    if way == 1:
        bind = d.random.choice(([], [f"bind {a} 127.0.0.1:0"], [f"bind {a} 127.0.0.1:0", f"name {a}"]))
        back = d.random.choice((f"shutdown {a} r", f"connect {a} unspec:0"))
        return [f"socket {a} tcp4 -", *bind, f"listen {a} 3", back, *out]
    return [f"socket {a} tcp6 -", f"connect {a} [::ffff:127.0.0.1]:7001", f"set {a} IPV6_ADDRFORM 2", f"connect {a} unspec:0",
            *out, *many(d)]


RECIPES = ((10, dial), (7, dial_slowly), (7, many), (5, exhaust), (6, routed), (7, bound), (6, bound_before), (4, filtered),
           (7, again), (5, disconnected), (5, eaten), (5, small_stack), (6, networks), (5, quiet_errors), (3, numbers),
           (2, contend), (5, fast), (3, own_files), (12, odd_ways), (2, scripts), (6, ports), (5, bound_loops),
           (2, shared_memory), (4, jumps), (3, bare_streams), (4, handed_on), (1, datagrams), (3, beginnings), (5, shut_in), (6, shared_ports), (3, sent_elsewhere),
           (3, both_ends), (3, turned_around))


def draw(draft):
    weights = [weight for weight, _ in RECIPES]
    return draft.random.choices([recipe for _, recipe in RECIPES], weights)[0](draft)
