/*
 * The floor: what the kernel alone costs for the bench bundle.
 *
 * Makes the namespaces, cgroup, mounts, device nodes, masks and root of `trug spec`'s container by bare system calls,
 * with every name hard-wired and nothing read, checked, recorded or explained; executes /bin/true in it, waits, and
 * removes the cgroup. It is no runtime: it is the least that any runtime must pay, and what trug is compared with.
 *
 * usage: floor ROOTFS CGROUP_DIRECTORY…    one directory: v2, cloned into; several: v1, joined one by one
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_RECURSIVE_ 0x8000

/* Every call must work: a floor that skips something is none. */
static long ok(long result, const char *what)
{
	if (result < 0) {
		dprintf(2, "floor: %s: %s\n", what, strerror(errno));
		_exit(125);
	}
	return result;
}
#define MUST(call) ok((call), #call)

/* A new filesystem of `type`, with `options` (name, value, …, NULL), detached. */
static int filesystem(const char *type, unsigned attributes, const char *const *options)
{
	int context = MUST(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
	for (; options && options[0]; options += 2)
		MUST(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, options[0], options[1], 0));
	MUST(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	int mount = MUST(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes));
	close(context);
	return mount;
}

/* The same in one call, where it is attached by a path: half of what it takes by fsopen. */
static void mount_new(const char *source, const char *at, const char *type, unsigned long flags, const char *options)
{
	ok(syscall(SYS_mount, source, at, type, flags, options), at);
}

static void attach(int mount, int root, const char *at)
{
	MUST(syscall(SYS_move_mount, mount, "", root, at, MOVE_MOUNT_F_EMPTY_PATH));
	close(mount);
}

static int bound(int directory, const char *path, int recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE_ : 0) | (*path ? 0 : AT_EMPTY_PATH);
	return syscall(SYS_open_tree, directory, path, flags);
}

static void attributes(int mount, uint64_t set, unsigned flags)
{
	struct mount_attr attr = { .attr_set = set };
	MUST(syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | flags, &attr, sizeof attr));
}

static void put(const char *path, const char *text)
{
	int file = MUST(open(path, O_WRONLY | O_CLOEXEC));
	MUST(write(file, text, strlen(text)));
	close(file);
}

/* A new cpuset of v1 has neither processors nor memory, and takes no process. */
static void fill_cpuset(const char *cgroup)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char path[4096], value[256];
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/../%s", cgroup, files[i]);
		int file = MUST(open(path, O_RDONLY | O_CLOEXEC));
		value[MUST(read(file, value, sizeof value - 1))] = 0;
		close(file);
		snprintf(path, sizeof path, "%s/%s", cgroup, files[i]);
		put(path, value);
	}
}

static void make_devices(int dev)
{
	static const struct { const char *name; int minor, major; } nodes[] = {
		{ "null", 3, 1 }, { "zero", 5, 1 }, { "full", 7, 1 }, { "random", 8, 1 }, { "urandom", 9, 1 }, { "tty", 0, 5 },
	};
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" }, { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" }, { "pts/ptmx", "ptmx" }, { "/proc/kcore", "core" },
	};
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		MUST(mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		MUST(symlinkat(links[i][0], dev, links[i][1]));
}

/* v1: a tmpfs with the container's own cgroup of each hierarchy; `cgroups` are /sys/fs/cgroup/HIERARCHY/NAME. */
static void show_cgroups(int tree, char *const *cgroups)
{
	unsigned none = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV;
	int shelf = filesystem("tmpfs", none, (const char *[]){ "mode", "755", NULL });
	for (; *cgroups; cgroups++) {
		char name[64] = "";
		sscanf(*cgroups, "/sys/fs/cgroup/%63[^/]", name);
		MUST(mkdirat(shelf, name, 0755));
		int own = MUST(bound(AT_FDCWD, *cgroups, 1));
		attributes(own, none | MOUNT_ATTR_RDONLY, AT_RECURSIVE_);
		attach(own, shelf, name);
	}
	attributes(shelf, none | MOUNT_ATTR_RDONLY, 0);
	attach(shelf, tree, "sys/fs/cgroup");
}

static void make_root(const char *rootfs, char *const *cgroups)
{
	struct mount_attr private = { .propagation = MS_SLAVE };
	MUST(syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE_, &private, sizeof private));
	int tree = MUST(bound(AT_FDCWD, rootfs, 1));
	MUST(syscall(SYS_move_mount, tree, "", AT_FDCWD, rootfs, MOVE_MOUNT_F_EMPTY_PATH));

	unsigned long none = MS_NOSUID | MS_NOEXEC;
	MUST(fchdir(tree));
	mount_new("proc", "proc", "proc", 0, NULL);
	mount_new("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	MUST(chdir("dev"));
	MUST(mkdir("pts", 0755));
	MUST(mkdir("shm", 0755));
	MUST(mkdir("mqueue", 0755));
	make_devices(AT_FDCWD);
	mount_new("devpts", "pts", "devpts", none, "ptmxmode=0666,mode=0620,gid=5");
	mount_new("shm", "shm", "tmpfs", none | MS_NODEV, "mode=1777,size=65536k");
	mount_new("mqueue", "mqueue", "mqueue", none | MS_NODEV, NULL);
	MUST(fchdir(tree));
	mount_new("sysfs", "sys", "sysfs", none | MS_NODEV | MS_RDONLY, NULL);
	if (cgroups[1])
		show_cgroups(tree, cgroups);
	else
		mount_new("cgroup", "sys/fs/cgroup", "cgroup2", none | MS_NODEV | MS_RDONLY, NULL);

	MUST(syscall(SYS_pivot_root, ".", "."));
	MUST(syscall(SYS_umount2, ".", 2 /* MNT_DETACH */));
	MUST(chdir("/"));
}

static void hide(void)
{
	static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
		"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi" };
	static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };
	int empty = -1;
	for (size_t i = 0; i < sizeof masked / sizeof *masked; i++) {
		struct stat found;
		if (lstat(masked[i], &found) < 0)
			continue;
		int mask;
		if (!S_ISDIR(found.st_mode)) {
			mask = MUST(bound(AT_FDCWD, "/dev/null", 0));
		} else if (empty < 0) {
			mask = filesystem("tmpfs", MOUNT_ATTR_RDONLY, NULL);
			empty = MUST(dup(mask));
		} else {
			mask = MUST(bound(empty, "", 0));
		}
		attach(mask, AT_FDCWD, masked[i]);
	}
	for (size_t i = 0; i < sizeof readonly / sizeof *readonly; i++) {
		int mount = bound(AT_FDCWD, readonly[i], 1);
		if (mount < 0)
			continue;
		attributes(mount, MOUNT_ATTR_RDONLY, AT_RECURSIVE_);
		attach(mount, AT_FDCWD, readonly[i]);
	}
}

static void confine(void)
{
	const uint32_t caps = 1u << CAP_AUDIT_WRITE | 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE;
	struct rlimit files = { 1024, 1024 };
	MUST(setrlimit(RLIMIT_NOFILE, &files));
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (cap >= 32 || !(caps >> cap & 1))
			prctl(PR_CAPBSET_DROP, cap);
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { caps, caps, 0 }, { 0 } };
	MUST(syscall(SYS_capset, &header, data));
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* v2's tree, alone or beside v1's: the child is cloned into its cgroup there. */
static int is_unified(const char *cgroup, int alone)
{
	return alone || strstr(cgroup, "/unified/");
}

/* Into v1's by itself: who is moved by another waits for RCU. */
static void enter_cgroups(char *const *cgroups)
{
	char path[4096];
	for (int alone = !cgroups[1]; *cgroups; cgroups++) {
		if (is_unified(*cgroups, alone))
			continue;
		snprintf(path, sizeof path, "%s/tasks", *cgroups);
		put(path, "0");
	}
}

static void init(const char *rootfs, char *const *cgroups, int ready)
{
	char word;
	enter_cgroups(cgroups);
	MUST(read(ready, &word, 1));
	MUST(sethostname("bench", 5));
	make_root(rootfs, cgroups);
	attributes(MUST(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)), MOUNT_ATTR_RDONLY, 0);
	hide();
	MUST(syscall(SYS_keyctl, 1 /* join a session keyring */, "bench", 0, 0, 0));
	confine();
	MUST(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC));
	execve("/bin/true", (char *[]){ "/bin/true", NULL }, (char *[]){ "PATH=/bin", "TERM=xterm", NULL });
	ok(-1, "execve");
}

/* The device program of v2: two instructions, that let all pass. */
static void guard_devices(int cgroup)
{
	struct bpf_insn program[] = { { .code = 0xb7, .dst_reg = 0, .imm = 1 }, { .code = 0x95 } };
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .insns = (uint64_t)program, .insn_cnt = 2,
				.license = (uint64_t)"GPL" };
	int file = MUST(syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load));
	union bpf_attr attach = { .target_fd = cgroup, .attach_bpf_fd = file, .attach_type = BPF_CGROUP_DEVICE };
	MUST(syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach));
	close(file);
}

int main(int count, char **words)
{
	if (count < 3)
		return 2;
	int v2 = count == 3, cgroup = -1, ready[2];
	for (int i = 2; i < count; i++) {
		MUST(mkdir(words[i], 0755));
		if (strstr(words[i], "/cpuset/"))
			fill_cpuset(words[i]);
		if (is_unified(words[i], v2))
			cgroup = MUST(open(words[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	}
	MUST(pipe2(ready, O_CLOEXEC));
	struct clone_args args = { .flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS,
				   .exit_signal = SIGCHLD };
	if (v2)
		args.flags |= CLONE_NEWCGROUP;
	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = cgroup;
	}
	int child = MUST(syscall(SYS_clone3, &args, sizeof args));
	if (child == 0)
		close(ready[1]), init(words[1], words + 2, ready[0]);
	if (v2)
		guard_devices(cgroup);
	MUST(write(ready[1], "x", 1));
	int status;
	MUST(waitpid(child, &status, 0));
	for (int i = 2; i < count; i++)
		MUST(rmdir(words[i]));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}
