"""The bundles that are measured: `trug spec`'s own, and variations of it."""

import json
import os
import re
import shutil
import subprocess

# What the profile that Docker ships leaves out of the calls of x86_64 (docs.docker.com, "Seccomp security profiles").
DENIED = set(
    "acct add_key bpf clock_adjtime clock_settime create_module delete_module finit_module fsconfig fsmount fsopen fspick get_kernel_syms "
    "get_mempolicy init_module ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind mount mount_setattr move_mount "
    "move_pages nfsservctl open_by_handle_at open_tree perf_event_open pivot_root query_module quotactl quotactl_fd reboot request_key "
    "set_mempolicy set_mempolicy_home_node setns settimeofday stime swapoff swapon _sysctl sysfs syslog umount2 umount unshare uselib "
    "userfaultfd ustat vhangup vserver chroot clone clone3 personality".split()
)
ERRNO_ENOSYS = 38
NAMESPACE_FLAGS = 0x7E020000


def seccomp_profile():
    """About as many names, architectures and conditions as in the profile that Docker ships."""
    numbers = open("/usr/include/x86_64-linux-gnu/asm/unistd_64.h").read()
    names = set(re.findall(r"#define __NR_(\w+)", numbers))
    # The calls of the other two architectures, which a profile for all of them names too.
    names |= {"_llseek", "_newselect", "chown32", "fchown32", "fcntl64", "fstat64", "fstatat64", "ftruncate64", "getegid32", "geteuid32"}
    names |= {"getgid32", "getgroups32", "getresgid32", "getresuid32", "getuid32", "ipc", "lchown32", "lstat64", "mmap2", "send", "recv"}
    names |= {"sendfile64", "setfsgid32", "setfsuid32", "setgid32", "setgroups32", "setregid32", "setresgid32", "setresuid32"}
    names |= {"setreuid32", "setuid32", "sigprocmask", "sigreturn", "socketcall", "stat64", "statfs64", "truncate64", "ugetrlimit", "waitpid"}
    names |= {"clock_gettime64", "clock_nanosleep_time64", "futex_time64", "ppoll_time64", "pselect6_time64", "recvmmsg_time64"}
    allow = "SCMP_ACT_ALLOW"

    def personality(value):
        return {"names": ["personality"], "action": allow, "args": [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"}]}

    no_namespaces = {"index": 0, "value": NAMESPACE_FLAGS, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [
            {"names": sorted(names - DENIED), "action": allow},
            *[personality(value) for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)],
            {"names": ["clone"], "action": allow, "args": [no_namespaces]},
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ERRNO_ENOSYS},
        ],
    }


def write(directory, config):
    """A bundle with busybox for a root filesystem."""
    binaries = os.path.join(directory, "rootfs", "bin")
    os.makedirs(binaries)
    for name in ("proc", "sys", "dev", "etc", "data"):
        os.mkdir(os.path.join(directory, "rootfs", name))
    shutil.copy("/bin/busybox", binaries)
    for name in ("true", "sleep"):
        os.symlink("busybox", os.path.join(binaries, name))
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(config, file)
    return directory


def default(trug, scratch):
    """The config that `trug spec` prints here, without a terminal."""
    directory = os.path.join(scratch, "spec")
    os.mkdir(directory)
    subprocess.run([trug, "spec", "--bundle", directory], check=True)
    with open(os.path.join(directory, "config.json")) as file:
        config = json.load(file)
    config["process"]["terminal"] = False
    # The oldest of the runtimes refuses a version that it does not know.
    config["ociVersion"] = "1.0.2"
    if not may_raise_limits():
        # Debian's crun raises RLIMIT_MEMLOCK before it loads a device program, and gives up where it may not.
        del config["linux"]["resources"]
    return config


def may_raise_limits():
    """CAP_SYS_RESOURCE, which a machine for tests may lack."""
    with open("/proc/self/status") as file:
        effective = next(line.split()[1] for line in file if line.startswith("CapEff"))
    return bool(int(effective, 16) >> 24 & 1)


def make_all(trug, scratch):
    """Every bundle by its name."""
    made = {}

    def make(name, *command, **changes):
        config = default_config(command)
        for key, value in changes.items():
            config[key] = value
        made[name] = write(os.path.join(scratch, name), config)

    text = json.dumps(default(trug, scratch))

    def default_config(command):
        config = json.loads(text)
        config["process"]["args"] = list(command)
        return config

    make("default", "/bin/true")
    make("sleeper", "/bin/sleep", "3600")
    plain = json.loads(text)
    make("seccomp", "/bin/true", linux={**plain["linux"], "seccomp": seccomp_profile()})
    shared = {"type": "bind", "source": "/usr/share", "options": ["bind", "ro", "nosuid"]}
    binds = [{**shared, "destination": f"/data/{number}"} for number in range(100)]
    config = json.loads(text)
    make("mounts", "/bin/true", root={**plain["root"], "readonly": True}, mounts=config["mounts"] + binds)
    for number in range(100):
        os.mkdir(os.path.join(made["mounts"], "rootfs", "data", str(number)))
    return made
