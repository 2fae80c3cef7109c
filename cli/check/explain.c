// SPDX-License-Identifier: Apache-2.0
/* explain - `headroom explain WORD`: the few paragraphs behind each word. */
#include "cli/shared/nearest_word.h"
#include "cli/shared/terminal.h"
#include "cli/shared/verbs.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

struct entry {
	const char *word, *line;
	const char *paragraphs[5];
};

static const struct entry entries[] = {
	{ "headroom",
	  "how many more connections can be opened",
	  { "A TCP connection is named by four values: local IP, local port, remote IP, remote port. No two "
	    "connections "
	    "of a network namespace have the same four.",
	    "So towards one destination (remote IP and port) one source (local IP) has as many connections "
	    "as there are "
	    "ports for it: its capacity. What is not in use of that is the headroom. Another source, or "
	    "another "
	    "destination, has a headroom of its own.",
	    "At 0 connect() fails with EADDRNOTAVAIL, \"Cannot assign requested address\"." } },
	{ "capacity",
	  "the ports from one source to one destination",
	  { "The range net.ipv4.ip_local_port_range, both ends included, less the ports of "
	    "net.ipv4.ip_local_reserved_ports, less the blocked ports.",
	    "A range with an odd number of ports gives a program without the shim one port less at times: "
	    "the kernel "
	    "walks over an even number of them." } },
	{ "blocked",
	  "ports that no connect() may take",
	  { "connect() passes over a port that any socket holds by an explicit bind(): a listener, a "
	    "connection it "
	    "accepted, a socket after bind(ip, 0) or bind(ip, port) without IP_BIND_ADDRESS_NO_PORT, or the "
	    "TIME_WAIT of "
	    "one. This holds for every source and every destination, IPv4 and IPv6 alike.",
	    "One program that binds its outgoing sockets the old way can so take the ports of all others: "
	    "they get "
	    "EADDRNOTAVAIL with hardly any connections open. `headroom ports` says who.",
	    "The cure is IP_BIND_ADDRESS_NO_PORT before the bind(). The shim adds it: headroom run -- "
	    "COMMAND.",
	    "The kernel lists listeners and sockets that are bound only. Of a connection it does not tell "
	    "whether it was "
	    "bound explicitly: --probe asks about each such port, by trying it towards a closed port of "
	    "127.0.0.1." } },
	{ "knee",
	  "half of the ports in use, from where connect() is slow",
	  { "A plain connect() tries every second port of the range first. When those are used up, each "
	    "connect() looks "
	    "at all of them in vain before it comes to the other half: 1 to 3 ms instead of 25 us, all of it "
	    "CPU time in "
	    "the kernel.",
	    "A socket with IP_LOCAL_PORT_RANGE set does not do so, from Linux 6.8 on. The shim sets it in "
	    "time: headroom run -- COMMAND." } },
	{ "time-wait",
	  "closed connections that hold their port for another 60 s",
	  { "The side that closes a connection first keeps its four values for 60 s, as late segments may "
	    "still come. "
	    "The time is fixed; tcp_fin_timeout does not change it. No process holds such a socket any more.",
	    "With 28,232 ports that is 470 new connections a second to one destination, from one source, and "
	    "no more.",
	    "What helps: keep connections open (keepalive, a pool); let the server close first; more "
	    "sources; "
	    "net.ipv4.tcp_tw_reuse=1, which lets connect() take one over after one second. The default, 2, "
	    "does so on "
	    "loopback only; it needs TCP timestamps." } },
	{ "reserved",
	  "ports that connect() leaves alone",
	  { "net.ipv4.ip_local_reserved_ports keeps connect() and bind(ip, 0) from using them; an explicit "
	    "bind() to one is "
	    "allowed. Reserve the ports of services that listen inside the range: else a connection may have "
	    "the port when "
	    "the service starts again." } },
	{ "udp",
	  "UDP ports are those of the whole host",
	  { "UDP has all ports of net.ipv4.ip_local_port_range to itself, as TCP has. But a UDP socket that "
	    "gets its port by connect() or sendto() needs one that no other UDP socket of the network "
	    "namespace has, whatever the destination. So all of them together have one range.",
	    "When it is used up connect() and sendto() fail with EAGAIN, \"Resource temporarily "
	    "unavailable\", and names stop resolving: a resolver, a statsd or syslog client, or a QUIC "
	    "client that leaks sockets is the common cause. TCP goes on, as long as it has addresses.",
	    "headroom ports says who holds them. A service that keeps one socket for all its peers, and "
	    "SO_REUSEPORT, need few ports; IP_BIND_ADDRESS_NO_PORT does nothing for UDP, nor does the "
	    "shim." } },
	{ "source",
	  "a local IP that connections leave from",
	  { "The kernel chooses it by the route, unless the program binds one. Each further source has a "
	    "whole tuple space "
	    "of its own to each destination.",
	    "To add one: ip address add 10.0.0.6/24 dev eth0. To use several without changing the program: "
	    "headroom run --sources auto -- COMMAND." } },
	{ "sources",
	  "every source must be let in by the server",
	  { "A server that tells its clients apart by their address has to know each source: PostgreSQL's "
	    "pg_hba.conf, MySQL's "
	    "grants (user@host), Redis' protected mode, Oracle's invited nodes, allow-lists of proxies and "
	    "cloud firewalls, hosts "
	    "that resolve the address backwards. Limits per client address (rate limits, connections per IP, "
	    "fail2ban) count each "
	    "source by itself. And a packet to each source must find its way back.",
	    "even, the default for named sources, uses all of them from the first connection on: what is not "
	    "let in shows in the "
	    "first test. spill, the default with auto, uses the kernel's own choice until half of its ports "
	    "are in use. sticky uses "
	    "one source for each remote address, for servers that know a client by it: FTP, SIP, sessions "
	    "per "
	    "IP.",
	    "A source that fails where others do not is set aside for that destination, with a log line "
	    "(source_failing), and tried "
	    "again by single connections. What a server says in its own words before it closes (Redis' "
	    "-DENIED, PostgreSQL's FATAL) "
	    "is an answer to the shim: only the program can know that it was refused.",
	    "When all sources are full, the kernel's own choice gets a last try; where they fail and it does "
	    "not, the destination "
	    "is left to it (sources_failing), and they are tried again by single connections; strict = yes "
	    "forbids "
	    "both." } },
	{ "close-wait",
	  "the peer closed, the program did not",
	  { "A connection in CLOSE_WAIT has got the end of the peer's data, and waits for its own program to "
	    "close it. "
	    "It stays as long as the program lives. Many of them are a leak in the program: an error path "
	    "without "
	    "close(), a pool that does not look at its idle connections.",
	    "headroom check --leaks says which process and how long." } },
	{ "probe",
	  "asking the kernel about one port",
	  { "A socket is told to use this port only (IP_LOCAL_PORT_RANGE, Linux 6.3) and connected to a "
	    "closed port of "
	    "127.0.0.1. \"Connection refused\" means the port is usable, EADDRNOTAVAIL that it is blocked. "
	    "Nothing leaves "
	    "the host, nothing is left behind. It takes some 20 us a port, and only ports that a socket "
	    "holds, with nothing "
	    "told of how it came by it, are asked for." } },
	{ "verdict",
	  "is all well, and is that sure?",
	  { "fine: there are ports. tight: 80 % or more (--threshold) are in use, or lost to blockers. slow: "
	    "past "
	    "the knee. exhausted: none is left, connect() fails with EADDRNOTAVAIL. hanging: there are "
	    "ports, but "
	    "three or more attempts had to send their SYN again: the destination does not answer, a firewall "
	    "drops "
	    "them, or NAT on this host has no port left. leaking: ten or more connections are in CLOSE_WAIT; "
	    "see close-wait.",
	    "The last line of headroom status, next, is what to type next.",
	    "unknown: the kernel does not tell which ports are blocked, it may be either, and it could not "
	    "be asked "
	    "(before Linux 6.3, or not within 3 s; --probe asks however long it takes). It has an exit "
	    "status of its "
	    "own, 3, as it is no good news." } },
	{ "doubt",
	  "ports that may be blocked, for all the kernel tells",
	  { "A port that a connection holds may have been picked by connect(), then it is free towards other "
	    "destinations; or bound explicitly, then it is lost to all. The kernel's list does not say "
	    "which. "
	    "So there are two numbers: at least, and at most.",
	    "Where the two lead to different verdicts the kernel is asked about single ports; see probe." } },
	{ "in-use",
	  "ports that connections to this destination hold",
	  { "Open connections, those that are being opened or closed, and TIME_WAITs. Of TIME_WAITs that "
	    "tcp_tw_reuse lets connect() take over `top`, `export` and all percentages count none.",
	    "\"lost to blockers\" are ports in use by nobody here: no connect() may take them; see blocked. "
	    "Both "
	    "together, in per cent of the range less its reserved ports, is what --threshold is about.",
	    "open, time-wait: of this program. others: of all other programs, from the same source to the "
	    "same "
	    "destination. (others) for a destination: those that have no row of their own, added up." } },
	{ "states",
	  "what a connection is doing: SYN_SENT, ESTABLISHED, FIN_WAIT2, ...",
	  { "SYN_SENT: no answer yet; to a dead host it holds its port for 127 s (net.ipv4.tcp_syn_retries). "
	    "ESTABLISHED: open. FIN_WAIT1, FIN_WAIT2, CLOSING: this side has closed, the peer has not; "
	    "without a "
	    "process FIN_WAIT2 ends after net.ipv4.tcp_fin_timeout, 60 s.",
	    "CLOSE_WAIT, LAST_ACK: the peer has closed; see close-wait. TIME_WAIT: both have, this side "
	    "first; see "
	    "time-wait. LISTEN, and BOUND (a port, but neither listening nor connected): they block their "
	    "port for "
	    "everybody; see blocked." } },
	{ "rate",
	  "how fast ports go, and how long they last",
	  { "rate: ports taken, or connections opened, a second. lasts, exhausted: when no port is left, if "
	    "it goes "
	    "on like this; a dash where the number of ports in use does not grow. TIME_WAITs come back after "
	    "60 s, "
	    "so at a steady rate the number grows for a minute and then stays.",
	    "peak: the most ports in use at one time. failed: connect() calls that failed. connect us: mean "
	    "time in "
	    "connect(), in microseconds." } },
	{ "shim",
	  "the library that headroom run puts under a program",
	  { "It counts connections, keeps connect() fast past the knee, defers bind(ip, 0), and spreads over "
	    "several "
	    "sources if told to. Programs that are linked statically, written in Go, set-user-ID or for "
	    "another C "
	    "library cannot have it.",
	    "(no shim) in top: all programs without it. (NAME[PID]): it has ended. failover: a source was "
	    "full, "
	    "another was taken. aside: a source does not work and rests for 30 s. deferral: bind(ip, 0) was "
	    "turned "
	    "into a bind without a port, so that it blocks none." } },
	{ "spread",
	  "how several sources are used",
	  { "even: that with the most headroom. spill: the kernel's own choice until half of its ports are "
	    "in "
	    "use, then the next. sticky: one for each remote address. off: the kernel's own choice.",
	    "A source that is full is passed over (failover); one that does not work is set aside for 30 s; "
	    "see "
	    "sources, and headroom-run(1)." } },
	{ "reuse",
	  "a closed connection for the next connect()",
	  { "With reuse in a rule, close() parks a connection whose last exchange is complete, and the next "
	    "connect() to that destination gets it. parked: kept now. hits, misses: connect() calls that got "
	    "one, "
	    "and that did not. refused: not parked, as the guard did not know it to be safe. retired: "
	    "parked, and "
	    "closed after all.",
	    "It is off unless a rule names a guard: http, redis, memcached or raw. See "
	    "docs/users/reuse.md." } },
	{ "process",
	  "whose connections these are",
	  { "NAME[PID]: a process. (NAME[PID]): it has ended. (NAME*7): seven short-lived ones of one name. "
	    "NAME "
	    "(60): sixty workers of a unit, else of a container, else of a program; --by puts together "
	    "otherwise. cgroup NAME: what headroom attach is at.",
	    "In parentheses behind it: its systemd unit, its container, its pid there. no process: a socket "
	    "that "
	    "none has any more, such as a TIME_WAIT. A process that does not show is another user's: root "
	    "sees "
	    "it." } },
	{ "segment",
	  "where a program under the shim keeps its counts",
	  { "A file in memory, in /dev/shm or $XDG_RUNTIME_DIR, that its user and root can read: headroom "
	    "report, "
	    "top and export do. It stays for a while when the process has ended.",
	    "skipped: one that cannot be read, or is of another version; headroom report says why." } },
	{ "namespace",
	  "a network of its own, as a container has",
	  { "Each network namespace has its own range, ports and connections. Every number is of one of "
	    "them: "
	    "that of the command, or with --netns, --pid or --container another.",
	    "--all-netns goes through those of ip-netns(8) and of all processes. Interfaces and VRFs that a "
	    "socket "
	    "is bound to are shown as 10.0.0.5%eth0: those have tuple spaces of their own too." } },
	{ "nat",
	  "ports that this host picks for others",
	  { "Masquerade and snat rules give a translated connection another port if its own is taken. When "
	    "the range "
	    "of the rule (all ports, or --to-ports, or what follows the colon) is full towards a "
	    "destination, the "
	    "first packet is dropped: connect() hangs in SYN_SENT and fails after 127 s, though there are "
	    "ports.",
	    "The sign is insert_failed in /proc/net/stat/nf_conntrack. What helps: a wider range, more "
	    "addresses in "
	    "the rule, no translation for what does not need it." } },
};
enum { ENTRIES = sizeof(entries) / sizeof(entries[0]) };

/* Other words that the output has for the same. */
static const struct {
	const char *word, *entry;
} aliases[] = {
	{ "fine", "verdict" },
	{ "tight", "verdict" },
	{ "slow", "verdict" },
	{ "exhausted", "verdict" },
	{ "hanging", "verdict" },
	{ "unknown", "verdict" },
	{ "threshold", "in-use" },
	{ "lost", "in-use" },
	{ "at-least", "doubt" },
	{ "at-most", "doubt" },
	{ "in-doubt", "doubt" },
	{ "doubtful", "doubt" },
	{ "exact", "doubt" },
	{ "syn-sent", "states" },
	{ "syn-recv", "states" },
	{ "established", "states" },
	{ "open", "states" },
	{ "fin-wait1", "states" },
	{ "fin-wait2", "states" },
	{ "closing", "states" },
	{ "last-ack", "states" },
	{ "listen", "states" },
	{ "bound", "states" },
	{ "close", "states" },
	{ "lasts", "rate" },
	{ "peak", "rate" },
	{ "failed", "rate" },
	{ "connect-us", "rate" },
	{ "failover", "spread" },
	{ "failovers", "spread" },
	{ "aside", "spread" },
	{ "deferral", "shim" },
	{ "no-shim", "shim" },
	{ "range", "capacity" },
	{ "ports", "capacity" },
	{ "usable", "capacity" },
	{ "blocker", "blocked" },
	{ "blockers", "blocked" },
	{ "eaddrnotavail", "headroom" },
	{ "leak", "close-wait" },
	{ "leaks", "close-wait" },
	{ "conntrack", "nat" },
	{ "insert-failed", "nat" },
	{ "tracked", "nat" },
	{ "dropped", "nat" },
	{ "leaking", "verdict" },
	{ "next", "verdict" },
	{ "worst", "headroom" },
	{ "tuple-space", "headroom" },
	{ "port", "capacity" },
	{ "past-the-knee", "knee" },
	{ "listener", "blocked" },
	{ "listeners", "blocked" },
	{ "by", "process" },
	{ "bound-explicitly", "blocked" },
	{ "bound-and-not-connected", "blocked" },
	{ "eaddrinuse", "blocked" },
	{ "listened-on", "blocked" },
	{ "held-by", "process" },
	{ "lost-to-blockers", "in-use" },
	{ "opened", "rate" },
	{ "deferred", "shim" },
	{ "full", "spread" },
	{ "even", "spread" },
	{ "spill", "spread" },
	{ "sticky", "spread" },
	{ "parked", "reuse" },
	{ "hits", "reuse" },
	{ "misses", "reuse" },
	{ "refused", "reuse" },
	{ "retired", "reuse" },
	{ "guard", "reuse" },
	{ "no-process", "process" },
	{ "group", "process" },
	{ "unit", "process" },
	{ "container", "process" },
	{ "cgroup", "process" },
	{ "workers", "process" },
	{ "attached", "process" },
	{ "command", "process" },
	{ "skipped", "segment" },
	{ "segments", "segment" },
	{ "netns", "namespace" },
	{ "network-namespace", "namespace" },
	{ "here", "namespace" },
	{ "interface", "namespace" },
	{ "vrf", "namespace" },
	{ "why-it-is-blocked", "blocked" },
	{ "free", "headroom" },
	{ "left", "headroom" },
	{ "not-told", "doubt" },
	{ "%", "in-use" },
	{ "masquerade", "nat" },
	{ "destination", "headroom" },
	{ "reusable", "time-wait" },
	{ "eagain", "udp" },
	{ "others", "in-use" },
};

static const char *past_brackets(const char *word)
{
	return word + strspn(word, "()");
}

/* @a:	as somebody read it: "(no shim)", "TIME_WAIT" */
static bool same_word(const char *a, const char *b)
{
	for (a = past_brackets(a); *a && *b; a = past_brackets(a + 1), b++) {
		int x = tolower((unsigned char)*a), y = tolower((unsigned char)*b);
		if ((x == '_' || x == ' ' ? '-' : x) != (y == '_' || y == ' ' ? '-' : y))
			return false;
	}
	return *a == *b;
}

static const struct entry *find_entry(const char *word)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (same_word(word, aliases[i].word)) {
			word = aliases[i].entry;
			break;
		}
	for (int i = 0; i < ENTRIES; i++)
		if (same_word(word, entries[i].word))
			return &entries[i];
	return NULL;
}

static int complain_unknown(const char *word)
{
	const char *words[ENTRIES + 1];

	for (int i = 0; i < ENTRIES; i++)
		words[i] = entries[i].word;
	words[ENTRIES] = NULL;
	const char *meant = nearest_word(word, words);
	if (meant)
		return complain("explain", "`%s` is not a word of headroom's; did you mean `%s`?", word,
				meant);
	return complain("explain", "`%s` is not a word of headroom's; `headroom explain --help` lists them",
			word);
}

static int list(FILE *out)
{
	fputs("usage: headroom explain WORD\n\n", out);
	for (int i = 0; i < ENTRIES; i++)
		fprintf(out, "  %-11s %s\n", entries[i].word, entries[i].line);
	return out == stdout ? STATUS_FINE : STATUS_USAGE;
}

int verb_explain(int argc, char **argv)
{
	char word[64] = "";

	if (argc < 2)
		return list(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return list(stdout);
	/* "in use" is one word to us. */
	for (int i = 1; i < argc; i++) {
		size_t used = strlen(word);
		snprintf(word + used, sizeof(word) - used, "%s%s", used ? " " : "", argv[i]);
	}
	const struct entry *entry = find_entry(word);
	if (!entry)
		return complain_unknown(word);
	terminal_style(stdout, STYLE_BOLD);
	printf("%s", entry->word);
	terminal_style(stdout, STYLE_NONE);
	printf(": %s\n", entry->line);
	for (const char *const *p = entry->paragraphs; *p; p++) {
		putchar('\n');
		terminal_paragraph(stdout, "", *p);
	}
	return STATUS_FINE;
}
