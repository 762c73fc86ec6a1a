/*
 * Which code a command runs: steps OUTPUT COMMAND… executes it one instruction at a time, in all its processes, and
 * writes a line for each 16 bytes of the program in the order in which they were first run: the process (0, 1, …), and
 * the place in the program's file in memory. What the processes execute besides the program itself is not followed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 64
#define BLOCKS (1 << 20)

static struct process {
	pid_t pid;
	unsigned long begin, end; /* of the program's code; 0: it runs something else */
} processes[PROCESSES];
static int known;
static unsigned char seen[BLOCKS];
static const char *program;

static struct process *process_of(pid_t pid)
{
	for (int i = 0; i < known; i++)
		if (processes[i].pid == pid)
			return &processes[i];
	if (known == PROCESSES)
		errx(1, "too many processes");
	processes[known].pid = pid;
	return &processes[known++];
}

/* Where the program lies in a process. */
static void find(struct process *process)
{
	char name[64], line[4096];
	process->begin = process->end = 0;
	snprintf(name, sizeof name, "/proc/%d/maps", process->pid);
	FILE *maps = fopen(name, "r");
	while (maps && fgets(line, sizeof line, maps)) {
		unsigned long begin, end, offset;
		char rights[8], path[3900] = "";
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %3899s", &begin, &end, rights, &offset, path) < 4)
			errx(1, "cannot read %s", name);
		/* Sealed, it is reached by another path. */
		if (strcmp(basename(path), program) != 0)
			continue;
		if (!process->begin)
			process->begin = begin - offset;
		if (rights[2] == 'x')
			process->end = end;
	}
	if (maps)
		fclose(maps);
}

static void go_on(struct process *process, int signal)
{
	ptrace(process->begin ? PTRACE_SINGLESTEP : PTRACE_CONT, process->pid, 0, signal);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(2, "usage: steps OUTPUT COMMAND...");
	program = basename(argv[2]);
	FILE *output = fopen(argv[1], "w");
	if (!output)
		err(1, "%s", argv[1]);
	pid_t first = fork();
	if (first == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execv(argv[2], argv + 2);
		err(127, "%s", argv[2]);
	}
	int status, result = 1;
	waitpid(first, &status, 0);
	ptrace(PTRACE_SETOPTIONS, first, 0,
	       PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK);
	ptrace(PTRACE_CONT, first, 0, 0);
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0)
			break;
		if (pid == first && WIFEXITED(status))
			result = WEXITSTATUS(status);
		if (!WIFSTOPPED(status))
			continue;
		struct process *process = process_of(pid);
		int event = status >> 16;
		if (event == PTRACE_EVENT_EXEC || !process->begin)
			find(process);
		if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP) {
			go_on(process, WSTOPSIG(status));
			continue;
		}
		struct user_regs_struct registers;
		ptrace(PTRACE_GETREGS, pid, 0, &registers);
		if (process->begin && registers.rip >= process->begin && registers.rip < process->end) {
			unsigned long block = (registers.rip - process->begin) / 16;
			if (block < BLOCKS && !seen[block]) {
				seen[block] = 1;
				fprintf(output, "%td %lx\n", process - processes, block * 16);
			}
		}
		go_on(process, 0);
	}
	return fclose(output) == 0 ? result : 1;
}
