// SPDX-License-Identifier: Apache-2.0
/* top_screen - the live view of `headroom top`, by ncurses. */
#include "cli/live/top.h"
#include "cli/live/top_groups.h"
#include "cli/shared/complain.h"
#include "cli/shared/identity.h"
#include "cli/shared/terminal.h"
#include "pool/base/clock.h"

/* Its macros get in the way of names here. */
#define NCURSES_NOMACROS
#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TITLE = 1, FOOT = 3, BAR_LEAST = 12, BAR_MOST = 60, TEXT_LEAST = 6, KEY_ESCAPE = 27 };

struct screen {
	struct top *top;
	struct top_key selected;
	unsigned first, at; /* of the rows that match: the first on the screen, the selected one */
	bool paused, help, editing, done;
	const struct top_row **shown;
	unsigned count;
	uint64_t next_ns;
};

static volatile sig_atomic_t ended_by;

static void on_signal(int number)
{
	ended_by = number;
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = on_signal }, old;

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
}

static void start_colours(void)
{
	const char *no_color = getenv("NO_COLOR");
	static const short colours[] = { COLOR_RED, COLOR_GREEN, COLOR_YELLOW, COLOR_MAGENTA };

	if (!has_colors() || (no_color && *no_color))
		return;
	start_color();
	use_default_colors();
	for (short i = 0; i < 4; i++)
		init_pair((short)(STYLE_RED + i), colours[i], -1);
}

/* Without colours what matters is bold. */
static attr_t attribute(enum style style)
{
	const char *no_color = getenv("NO_COLOR");

	if (style == STYLE_NONE)
		return A_NORMAL;
	if (style == STYLE_BOLD || !has_colors() || (no_color && *no_color))
		return style == STYLE_RED || style == STYLE_BOLD ? A_BOLD : A_NORMAL;
	return (attr_t)COLOR_PAIR((int)style);
}

static bool start(void)
{
	if (!newterm(NULL, stdout, stdin))
		return false;
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	start_colours();
	return true;
}

/* Rows that match, and where the selected one is now. */
static bool choose_rows(struct screen *screen)
{
	const struct top *top = screen->top;
	bool found = false;

	free(screen->shown);
	screen->count = 0;
	screen->shown = calloc(top->row_count + 1u, sizeof(*screen->shown));
	if (!screen->shown)
		return false;
	for (unsigned i = 0; i < top->row_count; i++) {
		if (!top_matches(top, &top->rows[i]))
			continue;
		if (!memcmp(&top->rows[i].key, &screen->selected, sizeof(screen->selected))) {
			screen->at = screen->count;
			found = true;
		}
		screen->shown[screen->count++] = &top->rows[i];
	}
	if (!found && screen->at >= screen->count)
		screen->at = screen->count ? screen->count - 1 : 0;
	return true;
}

static int host_lines; /* below the rows: 1 with --host */

static unsigned page(void)
{
	int rows = LINES - TITLE - 1 - FOOT - host_lines;
	return rows > 1 ? (unsigned)rows : 1;
}

static void select_row(struct screen *screen, long at)
{
	long last = screen->count ? (long)screen->count - 1 : 0;

	screen->at = (unsigned)(at < 0 ? 0 : at > last ? last : at);
	if (screen->count)
		screen->selected = screen->shown[screen->at]->key;
}

static void scroll_to_selected(struct screen *screen)
{
	if (screen->at < screen->first)
		screen->first = screen->at;
	if (screen->at >= screen->first + page())
		screen->first = screen->at - page() + 1;
	if (screen->count <= page())
		screen->first = 0;
}

struct layout {
	int netns, process, to, source, bar; /* netns: 0 without --all-netns */
};

/* What is shown of the numbers, by how much room there is. */
enum { WIDE = 110, NARROW = 72 };

static int numbers_width(void)
{
	return COLS >= WIDE ? 64 : COLS < NARROW ? 13 : 28;
}

static void put_numbers_head(void)
{
	printw("%8s ", "headroom");
	if (COLS >= WIDE)
		printw("%8s %7s %9s ", "capacity", "open", "TIME_WAIT");
	if (COLS >= NARROW)
		printw("%7s %6s ", "rate/s", "failed");
	if (COLS >= WIDE)
		printw("%8s ", "lasts");
}

static void widen(int *width, const char *text)
{
	int length = (int)strlen(text);
	*width = length > *width ? length : *width;
}

/* What the texts need; if that is too much, the widest gives way, so that a bar fits. */
static struct layout lay_out(const struct screen *screen)
{
	struct layout l = {
		.netns = screen->top->look_for.all_netns ? 5 : 0, .process = 7, .to = 11, .source = 6
	};

	for (unsigned i = screen->first; i < screen->count && i < screen->first + page(); i++) {
		widen(&l.netns, screen->shown[i]->netns);
		widen(&l.process, screen->shown[i]->process);
		widen(&l.to, screen->shown[i]->to);
		widen(&l.source, screen->shown[i]->source);
	}
	for (;;) {
		int *widest = l.process >= l.to ? &l.process : &l.to;
		if (l.source > *widest)
			widest = &l.source;
		if (l.netns > *widest)
			widest = &l.netns;
		l.bar = COLS - numbers_width() - 2 - l.process - l.to - l.source -
			(l.netns ? l.netns + 1 : 0);
		if (l.bar >= BAR_LEAST || *widest <= TEXT_LEAST)
			break;
		--*widest;
	}
	l.bar = l.bar > BAR_MOST ? BAR_MOST : l.bar < 0 ? 0 : l.bar;
	return l;
}

/* Of a text that is too long the end is shown: of an address the port, of a process the pid. */
static void put_text(const char *text, int width)
{
	int length = (int)strlen(text);

	if (length <= width)
		printw("%-*s ", width, text);
	else
		printw("~%s ", text + length - width + 1);
}

static void put_bar(const struct top_row *row, int width)
{
	const struct bar_part parts[] = { { '#', STYLE_GREEN, row->open },
					  { ':', STYLE_YELLOW,
					    row->in_use > row->open ? row->in_use - row->open : 0 },
					  { 'o', STYLE_MAGENTA, row->others },
					  { '.', STYLE_NONE, row->headroom } };
	unsigned widths[4], at = 0;

	if (width < BAR_PARTS_MAX || !row->capacity_known)
		return;
	terminal_bar_widths(parts, 4, (unsigned)width - 2, widths);
	addch('[');
	for (unsigned i = 0; i < 4; i++)
		for (unsigned j = 0; j < widths[i]; j++, at++)
			addch(at == ((unsigned)width - 2) / 2
				      ? (chtype)'|' | A_BOLD
				      : (chtype)parts[i].sign | attribute(parts[i].style));
	addch(']');
}

static enum style urgency(const struct top_row *row)
{
	if (!row->capacity_known || (row->headroom - row->doubtful) * 2 > row->capacity)
		return STYLE_NONE;
	return row->headroom <= row->capacity / 5 ? STYLE_RED : STYLE_YELLOW;
}

static void draw_row(const struct screen *screen, unsigned i, const struct layout *l)
{
	const struct top_row *row = screen->shown[i];
	struct top_numbers numbers;

	top_numbers(row, &numbers);
	move(TITLE + 1 + (int)(i - screen->first), 0);
	attrset(i == screen->at ? A_REVERSE : A_NORMAL);
	if (l->netns)
		put_text(row->netns, l->netns);
	put_text(row->process, l->process);
	put_text(row->to, l->to);
	put_text(row->source, l->source);
	attrset((int)((i == screen->at ? A_REVERSE : A_NORMAL) | attribute(urgency(row))));
	printw("%8s ", numbers.headroom);
	attrset(i == screen->at ? A_REVERSE : A_NORMAL);
	if (COLS >= WIDE)
		printw("%8s %7u %9u ", numbers.capacity, row->open, row->time_wait);
	if (COLS >= NARROW)
		printw("%7s %6s ", numbers.rate, numbers.failed);
	if (COLS >= WIDE)
		printw("%8s ", numbers.lasts);
	attrset(A_NORMAL);
	put_bar(row, l->bar);
}

static void draw_title(const struct screen *screen)
{
	const struct top *top = screen->top;
	char text[512];
	int used = snprintf(text, sizeof(text), "headroom top: %u row%s, %u process%s, by %s", screen->count,
			    screen->count == 1 ? "" : "s", top->process_count,
			    top->process_count == 1 ? "" : "es", top_sort_name(top->sort));

	if (top->by != GROUP_BY_WORKERS)
		used += snprintf(text + used, sizeof(text) - (size_t)used, ", per %s",
				 group_by_name(top->by));
	if (*top->opened)
		used += snprintf(text + used, sizeof(text) - (size_t)used, ", only %s", top->opened);
	if (top->only.pid)
		used += snprintf(text + used, sizeof(text) - (size_t)used, ", only pid %u", top->only.pid);
	if (*top->filter || screen->editing)
		used += snprintf(text + used, sizeof(text) - (size_t)used, ", filter: %s%s", top->filter,
				 screen->editing ? "_" : "");
	if (top->skipped)
		used += snprintf(text + used, sizeof(text) - (size_t)used, ", %u skipped", top->skipped);
	if (screen->paused)
		snprintf(text + used, sizeof(text) - (size_t)used, ", PAUSED");
	attrset(A_BOLD);
	mvaddnstr(0, 0, text, COLS);
	attrset(A_NORMAL);
}

static void draw_head(const struct layout *l)
{
	move(TITLE, 0);
	attrset(A_UNDERLINE);
	if (l->netns)
		printw("%-*.*s ", l->netns, l->netns, "netns");
	printw("%-*.*s %-*.*s %-*.*s ", l->process, l->process, "process", l->to, l->to, "destination",
	       l->source, l->source, "source");
	put_numbers_head();
	printw("%-*.*s", l->bar, l->bar, "# : o .");
	attrset(A_NORMAL);
}

/* What it is to those who run it. */
static void add_identity(const struct top_row *row, char *text, size_t size)
{
	struct identity identity;
	size_t used = strlen(text);
	int pid = identity_pid_here(row->key.pid, row->pid_namespace);

	if (!pid)
		return;
	identity_of(pid, &identity);
	if (*identity.unit)
		used += (size_t)snprintf(text + used, size - used, "  %s", identity.unit);
	else if (*identity.container)
		used += (size_t)snprintf(text + used, size - used, "  container %s", identity.container);
	if (used < size && pid != (int)row->key.pid)
		used += (size_t)snprintf(text + used, size - used, "  pid %d here", pid);
	if (used < size)
		snprintf(text + used, size - used, "  %s", identity.command);
}

/* The selected row in full. */
static void draw_detail(const struct screen *screen)
{
	const struct top_row *row = screen->shown[screen->at];
	struct top_numbers numbers;
	char text[512], knee[16] = "-";

	top_numbers(row, &numbers);
	snprintf(text, sizeof(text), "%s  %s -> %s%s", row->process, row->source, row->to,
		 row->key.space.network && screen->top->host_count < 2 ? "  (another network namespace)"
								       : "");
	if (row->running && row->key.pid != TOP_GROUP_PID)
		add_identity(row, text, sizeof(text));
	mvaddnstr(LINES - FOOT, 0, text, COLS);
	if (row->capacity_known)
		snprintf(knee, sizeof(knee), "%u", row->capacity / 2);
	snprintf(text, sizeof(text), "headroom %s of %s, lasts %s; open %u, TIME_WAIT %u, others %u; knee %s",
		 numbers.headroom, numbers.capacity, numbers.lasts, row->open, row->time_wait, row->others,
		 knee);
	mvaddnstr(LINES - FOOT + 1, 0, text, COLS);
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"bar:     # open   : TIME_WAIT   o ports of other processes   . free   | knee",
		"         (NAME[PID]) has ended; (no shim): programs without the shim;",
		"         NAME (60): so many workers together",
		"h r f    sort by least headroom, by rate, by failures",
		"up down  select a row; page up, page down, home, end",
		"enter    open a group of workers; then only the selected process",
		"g        put together per unit, container, user, source, process, workers",
		"escape   all processes, no filter",
		"/        filter: text in process, destination or source; enter ends it",
		"space    pause",
		"?        this help",
		"q        quit",
	};

	for (int i = 0; i < (int)(sizeof(lines) / sizeof(lines[0])) && i + 2 < LINES; i++)
		mvaddnstr(i + 2, 0, lines[i], COLS);
}

static void draw_rows(struct screen *screen)
{
	host_lines = screen->top->host_count > 0;
	scroll_to_selected(screen);
	struct layout l = lay_out(screen);

	draw_head(&l);
	for (unsigned i = screen->first; i < screen->count && i < screen->first + page(); i++)
		draw_row(screen, i, &l);
	if (screen->count)
		draw_detail(screen);
	else
		mvaddnstr(TITLE + 2, 0, top_nothing(screen->top), COLS);
	if (host_lines) {
		const struct top_row *selected = screen->count ? screen->shown[screen->at] : NULL;
		const struct space_host *host = top_host_of(screen->top, selected);
		char text[TOP_HOST_MAX];
		mvaddnstr(LINES - FOOT - 1, 0, top_host(screen->top, host, text, sizeof(text)), COLS);
	}
}

static void draw(struct screen *screen)
{
	erase();
	draw_title(screen);
	if (screen->help)
		draw_help();
	else
		draw_rows(screen);
	attrset(A_REVERSE);
	mvaddnstr(LINES - 1, 0,
		  screen->editing
			  ? "type a filter; enter: done, escape: none"
			  : "q quit  ? help  h r f sort  enter open  esc all  g group  / filter  space pause",
		  COLS);
	attrset(A_NORMAL);
	refresh();
}

static void edit(struct screen *screen, int key)
{
	char *filter = screen->top->filter;
	size_t length = strlen(filter);

	if (key == KEY_ESCAPE)
		*filter = '\0';
	if (key == KEY_ESCAPE || key == '\r' || key == KEY_ENTER)
		screen->editing = false;
	else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && length)
		filter[length - 1] = '\0';
	else if (key >= ' ' && key <= '~' && length + 1 < TOP_FILTER_MAX) {
		filter[length] = (char)key;
		filter[length + 1] = '\0';
	}
}

static void sort_by(struct screen *screen, enum top_sort sort)
{
	screen->top->sort = sort;
	top_sort(screen->top);
	screen->first = screen->at = 0;
	memset(&screen->selected, 0, sizeof(screen->selected));
}

static int open_selected(struct screen *screen)
{
	struct top *top = screen->top;

	if (!screen->count)
		return STATUS_FINE;
	const struct top_row *row = screen->shown[screen->at];
	if (row->key.pid == TOP_GROUP_PID)
		snprintf(top->opened, sizeof(top->opened), "%s", row->group);
	else
		top->only = row->key;
	return top_fold(top);
}

static int show_all(struct screen *screen)
{
	struct top *top = screen->top;

	screen->help = false;
	top->only = (struct top_key){ 0 };
	top->filter[0] = top->opened[0] = '\0';
	return top_fold(top);
}

static int next_group(struct screen *screen)
{
	struct top *top = screen->top;

	top->only = (struct top_key){ 0 };
	return top_group_by(top, (enum group_by)((top->by + 1) % GROUP_WAYS));
}

static void press_movement(struct screen *screen, int key)
{
	long at = screen->at;

	if (key == KEY_UP || key == 'k')
		at--;
	else if (key == KEY_DOWN || key == 'j')
		at++;
	else if (key == KEY_PPAGE)
		at -= page();
	else if (key == KEY_NPAGE)
		at += page();
	else if (key == KEY_HOME)
		at = 0;
	else if (key == KEY_END)
		at = screen->count;
	else
		return;
	select_row(screen, at);
}

/* Return: STATUS_FINE, or STATUS_USAGE after a complaint */
static int press(struct screen *screen, int key)
{
	if (screen->editing) {
		edit(screen, key);
		return STATUS_FINE;
	}
	switch (key) {
	case 'q':
		screen->done = true;
		break;
	case 'h':
		sort_by(screen, TOP_BY_HEADROOM);
		break;
	case 'r':
		sort_by(screen, TOP_BY_RATE);
		break;
	case 'f':
		sort_by(screen, TOP_BY_FAILURES);
		break;
	case '\r':
	case KEY_ENTER:
		return open_selected(screen);
	case KEY_ESCAPE:
		return show_all(screen);
	case 'g':
		return next_group(screen);
	case '/':
		screen->editing = true;
		break;
	case ' ':
		screen->paused = !screen->paused;
		break;
	case '?':
		screen->help = !screen->help;
		break;
	default:
		press_movement(screen, key);
	}
	return STATUS_FINE;
}

/* Return: false if the terminal has gone */
static bool wait_for_input(const struct screen *screen)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t now_ns = clock_ns();
	uint64_t left_ns = screen->next_ns > now_ns ? screen->next_ns - now_ns : 0;

	if (poll(&input, 1, (int)(left_ns / 1000000 + 1)) < 0)
		return errno == EINTR;
	return !(input.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static int look(struct screen *screen)
{
	if (clock_ns() < screen->next_ns)
		return STATUS_FINE;
	screen->next_ns = clock_ns() + (uint64_t)(screen->top->delay_s * 1e9);
	return screen->paused ? STATUS_FINE : top_look(screen->top);
}

static int run(struct screen *screen)
{
	while (!ended_by && !screen->done) {
		int key, status = look(screen);
		if (status)
			return status;
		if (!choose_rows(screen))
			return STATUS_USAGE;
		draw(screen);
		if (!wait_for_input(screen))
			return STATUS_FINE;
		/* Each key sees what the one before has done. */
		while (!screen->done && (key = getch()) != ERR) {
			if ((status = press(screen, key)))
				return status;
			if (!choose_rows(screen))
				return STATUS_USAGE;
		}
	}
	return STATUS_FINE;
}

int top_screen(struct top *top)
{
	struct screen screen = { .top = top };
	const char *kind = getenv("TERM");

	/* Before the screen is taken over: what is wrong can be read. */
	int status = top_look(top);
	if (status)
		return status;
	catch_signals();
	if (!start())
		return complain("top", "the terminal `%s` is not known; --once prints text",
				kind ? kind : "");
	screen.next_ns = clock_ns() + (uint64_t)(top->delay_s * 1e9);
	status = run(&screen);
	endwin();
	free(screen.shown);
	if (status) /* once more, where its complaint can be read */
		status = top_look(top);
	if (ended_by) {
		signal(ended_by, SIG_DFL);
		raise(ended_by);
	}
	return status;
}
