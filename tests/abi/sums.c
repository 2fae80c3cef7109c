// SPDX-License-Identifier: Apache-2.0
/* sums - a program that has nothing to do with networks: threads, children, files; prints what comes of it.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void *sum(void *last)
{
	long total = 0;
	for (long i = 1; i <= (long)last; i++)
		total += i;
	return (void *)total;
}

static int ended(pid_t pid)
{
	int status = -1;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int count, char **arguments)
{
	char *again[] = { arguments[0], (char[]){ "child" }, NULL };
	pthread_t threads[8];
	void *result;
	pid_t pid;

	bool emulated = count > 1 && !strcmp(arguments[1], "emulated");

	if (count > 1 && !emulated)
		return 7;
	for (long i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, sum, (void *)(i * 1000));
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &result);
		printf("%ld\n", (long)result);
	}
	fflush(stdout);
	if (!(pid = fork()))
		exit(3);
	printf("fork %d\n", ended(pid));
	if (!(pid = vfork()))
		_exit(4);
	printf("vfork %d\n", ended(pid));
	/* qemu-user cannot have itself started. */
	if (!emulated && !(pid = vfork()))
		execv(again[0], again), _exit(5);
	if (!emulated)
		printf("vfork and exec %d\n", ended(pid));
	if (!emulated && !posix_spawn(&pid, again[0], NULL, NULL, again, environ))
		printf("posix_spawn %d\n", ended(pid));
	if (!emulated)
		printf("system %d\n", WEXITSTATUS(system("exit 9")));
	FILE *file = tmpfile();
	fprintf(file, "a line\n");
	rewind(file);
	char line[16] = "";
	printf("file %s", fgets(line, sizeof(line), file));
	return fclose(file);
}
