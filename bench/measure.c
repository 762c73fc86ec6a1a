/*
 * Runs a command and says what it cost: wall clock, processor time, peak memory. A program of its own, and a small one:
 * the peak that the kernel reports for a process includes what its parent had mapped before the execve.
 *
 * usage: measure REPORT COMMAND…    appends "wall_µs cpu_µs peak_KiB status" to the file REPORT
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

static long long microseconds(struct timeval time)
{
	return time.tv_sec * 1000000LL + time.tv_usec;
}

int main(int count, char **words)
{
	if (count < 3)
		return 2;
	int report = open(words[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (report < 0)
		return 2;
	long long begin = now();
	pid_t child = vfork();
	if (child == 0) {
		execv(words[2], words + 2);
		_exit(127);
	}
	int status;
	struct rusage usage;
	if (child < 0 || wait4(child, &status, 0, &usage) != child)
		return 2;
	long long wall = now() - begin, cpu = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	dprintf(report, "%lld %lld %ld %d\n", wall, cpu, usage.ru_maxrss, status);
	return 0;
}
