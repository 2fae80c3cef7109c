#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# inside.sh SCRIPT - in the namespaces of tests/recipes/run: make the machine of the recipe, then run it.
set -euo pipefail
mount --make-rprivate /
mount -t tmpfs none /mnt
for folder in etc var; do
	mkdir -p "/mnt/$folder.upper" "/mnt/$folder.work"
	mount -t overlay overlay -o "lowerdir=/$folder,upperdir=/mnt/$folder.upper,workdir=/mnt/$folder.work" "/$folder" || {
		echo "a file system for overlays is not installed"
		exit 77
	}
done
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs -o mode=1777 none /dev/shm
mount -t tmpfs -o mode=755 none /srv
mkdir -p /run/lock
ip link set lo up
for address in 10.0.0.{5,6,7,8,100}; do ip address add "$address/32" dev lo; done
sysctl -q net.ipv4.ip_local_port_range="40000 40399" net.ipv4.tcp_tw_reuse=0 net.core.somaxconn=4096
export PATH=$HEADROOM_BUILD:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin LC_ALL=C
unset LD_PRELOAD ${!HEADROOM_SO*} XDG_RUNTIME_DIR HEADROOM_STATE_DIR
cd /srv

# What hidden blocks can use.
needs() { # PROGRAM...: the recipe cannot be run without them
	local program
	for program; do command -v "$program" >/dev/null || { echo "$program is not installed"; exit 77; }; done
}
until_true() { # COMMAND...: within 20 s
	local left
	for ((left = 400; left; left--)); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done
	echo "not so: $*" >&2
	return 1
}
listens() { ss -Hltn "sport = :$1" | grep -q .; }
serve() { # PORT: a server that answers each request, and leaves it to the client to close
	"$HEADROOM_BUILD/tests/system/hold" http "$1" >/dev/null 2>&1 &
	until_true listens "$1"
}
spread() { # NAME DESTINATION: it opened connections to there from each of the four sources
	local rows
	rows=$(headroom report --name "$1" --to "$2" || true)
	(($(grep -oE "10\.0\.0\.100:[0-9]+ +10\.0\.0\.[5-8] " <<<"$rows" | sort -u | wc -l) == 4)) ||
		{ printf 'not from four sources:\n%s\n' "$rows" >&2; return 1; }
}
without_shim() { ! grep -q libheadroom "/proc/$1/maps"; } # PID
step() { STEP=$1; echo "== $1"; }

finish() {
	local status=$?
	((status == 0)) || echo "at ${STEP:-the start}"
	exit "$status"
}
trap finish EXIT
set -x
. "$1"
