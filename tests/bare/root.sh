# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# root - a bare Debian in a folder, and a life in it. To be sourced; the sourcing script has fail(), and sets work to a
# folder of its own, and mirror to an archive or to nothing.

install_debootstrap() {
	[[ ! -x /usr/sbin/debootstrap ]] || return 0
	echo "installing debootstrap"
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap; } \
		>"$work/apt" 2>&1 || fail "please install first: debootstrap ($(tail -n 1 "$work/apt"))"
}

# archives RELEASE - lines for sources.list: those of this machine, for another release
archives() {
	local own
	if [[ -n $mirror ]]; then
		echo "deb $mirror $1 main"
		return
	fi
	own=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# The variables are apt's.
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
		sort -u | sed -nE "s/^(\S+) $own(\S*) main$/deb \1 $1\2 main/p"
}

# make_base RELEASE [PACKAGES] - $work/base: what debootstrap makes, with the packages (a list with commas) in it
make_base() {
	local sources
	sources=$(archives "$1")
	[[ -n $sources ]] || fail "apt has no Debian archive here: name one by --mirror URI"
	debootstrap --variant=minbase ${2:+--include="$2"} "$1" "$work/base" \
		"$(awk -v release="$1" '$3 == release { print $2; exit }' <<<"$sources")" >"$work/debootstrap" 2>&1 ||
		{ tail -n 5 "$work/debootstrap" >&2; fail "debootstrap failed"; }
	echo "$sources" >"$work/base/etc/apt/sources.list"
	# How apt reaches them: a proxy, certificates, dates that are not to be looked at.
	apt-config dump Acquire >"$work/base/etc/apt/apt.conf.d/00this-machine"
	cp -L /etc/resolv.conf /etc/hosts "$work/base/etc/"
	# No server is started by being installed: it would be in the network of this machine.
	printf '#!/bin/sh\nexit 101\n' >"$work/base/usr/sbin/policy-rc.d"
	chmod +x "$work/base/usr/sbin/policy-rc.d"
}

# become_root_of FOLDER - a pivot_root(2) into it, with a /proc, /sys and /dev; in a mount namespace of one's own
become_root_of() {
	mount --make-rprivate /
	mount --bind "$1" "$1"
	cd "$1"
	mount -t proc proc proc
	mount --rbind /sys sys
	mount -t tmpfs -o mode=755 dev dev
	local name
	for name in null zero full random urandom tty net/tun; do
		[[ -e /dev/$name ]] || continue
		mkdir -p "dev/$(dirname "$name")"
		: >"dev/$name"
		mount --bind "/dev/$name" "dev/$name"
	done
	mkdir dev/pts dev/shm
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
	mount -t tmpfs -o mode=1777 shm dev/shm
	ln -s pts/ptmx dev/ptmx
	ln -s /proc/self/fd dev/fd
	ln -s fd/0 dev/stdin
	ln -s fd/1 dev/stdout
	ln -s fd/2 dev/stderr
	# systemd does so from Debian 13 on.
	[[ ${release:-} = bookworm ]] || mount -t tmpfs -o mode=1777,size=50% tmp tmp
	# Not chroot(2): in such a root no user namespace can be made.
	mkdir -p mnt/old
	pivot_root . mnt/old
	cd /
	umount -l /mnt/old
	exec </dev/null
}

# clean COMMAND... - with the environment of a new shell
clean() {
	env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=linux "$@"
}
