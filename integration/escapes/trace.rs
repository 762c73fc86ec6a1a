//! What a runtime's processes say to the kernel from within the container's mount namespace, up to the moment
//! when they become a program of the container's. Read from what `strace -f` writes.

use std::collections::HashMap;

/// Calls in the container's mount namespace by processes that are still the runtime.
pub fn inside(trace: &str) -> Vec<String> {
    let calls = joined(trace);
    let births = births(&calls);
    let mut inside: HashMap<u32, bool> = HashMap::new();
    let mut found = Vec::new();
    for (pid, call) in &calls {
        let here = match inside.get(pid) {
            Some(here) => *here,
            None => {
                let born = births.get(pid);
                let here = born.is_some_and(|(parent, call)| {
                    call.contains("CLONE_NEWNS") || inside.get(parent).copied().unwrap_or(false)
                });
                inside.insert(*pid, here);
                here
            }
        };
        if here {
            found.push(format!("{pid} {call}"));
        }
        let enters = ["unshare(", "setns("].iter().any(|name| call.starts_with(name));
        if enters && call.contains("CLONE_NEWNS") && succeeded(call) {
            inside.insert(*pid, true);
        }
        if call.starts_with("execve") && succeeded(call) {
            inside.insert(*pid, false);
        }
    }
    found
}

/// Those of them that name a path absolutely. Free are: the root itself, what the kernel resolves inside a root
/// that is held, the lookup of the program in PATH, and execve.
pub fn offences(trace: &str, program: &str) -> Vec<String> {
    let inside = inside(trace);
    inside
        .into_iter()
        .filter(|line| is_offence(line.split_once(' ').map_or("", |it| it.1), program))
        .collect()
}

fn is_offence(call: &str, program: &str) -> bool {
    let name = call.split('(').next().unwrap_or_default();
    // Strings of these are data.
    let data = [
        "execve",
        "execveat",
        "fsconfig",
        "getcwd",
        "getdents64",
        "keyctl",
        "memfd_create",
        "pread64",
        "prctl",
        "read",
        "recvfrom",
        "recvmsg",
        "sendmsg",
        "sendto",
        "setdomainname",
        "sethostname",
        "write",
        "writev",
    ];
    if data.contains(&name) {
        return false;
    }
    let held_root = call.contains("RESOLVE_IN_ROOT") && !call.contains("AT_FDCWD");
    let mut paths = strings(call);
    match name {
        "symlink" | "symlinkat" => drop(paths.remove(0)),
        // The second is what the kernel answered.
        "readlink" | "readlinkat" => paths.truncate(1),
        _ => {}
    }
    let lookup = ["newfstatat", "faccessat", "faccessat2", "access", "stat"].contains(&name);
    let is_bad = |path: &&str| {
        let is_program = lookup && path.rsplit('/').next() == Some(program);
        path.contains("/proc/self/fd/")
            || (path.starts_with('/') && *path != "/" && !held_root && !is_program)
    };
    paths.iter().any(is_bad)
}

/// The quoted strings among the arguments.
fn strings(call: &str) -> Vec<&str> {
    let arguments = call.rsplit_once(" = ").map_or(call, |(arguments, _)| arguments);
    arguments.split('"').skip(1).step_by(2).collect()
}

fn succeeded(call: &str) -> bool {
    call.rsplit_once(" = ").is_some_and(|(_, answer)| !answer.starts_with('-') && !answer.starts_with('?'))
}

/// The calls in the order of their beginnings, those in two pieces put together.
fn joined(trace: &str) -> Vec<(u32, String)> {
    let mut calls: Vec<(u32, String)> = Vec::new();
    let mut open: HashMap<u32, usize> = HashMap::new();
    for line in trace.lines() {
        let Some((pid, text)) = line.split_once(' ') else { continue };
        let (Ok(pid), text) = (pid.parse(), text.trim_start()) else { continue };
        if let Some(rest) = text.strip_prefix("<... ") {
            let tail = rest.split_once("resumed>").map_or("", |(_, tail)| tail);
            if let Some(index) = open.remove(&pid) {
                calls[index].1.push_str(tail);
            }
            continue;
        }
        if let Some(head) = text.strip_suffix("<unfinished ...>") {
            open.insert(pid, calls.len());
            calls.push((pid, head.trim_end().to_string()));
        } else if !text.starts_with("---") && !text.starts_with("+++") {
            calls.push((pid, text.to_string()));
        }
    }
    calls
}

/// Of each child its parent, and the call that made it.
fn births(calls: &[(u32, String)]) -> HashMap<u32, (u32, &str)> {
    let makers = ["clone(", "clone3(", "fork(", "vfork("];
    let made = calls.iter().filter(|(_, call)| makers.iter().any(|maker| call.starts_with(maker)));
    made.filter_map(|(parent, call)| {
        let answer = call.rsplit_once(" = ")?.1;
        let child = answer.split([' ', '\t']).next()?.parse().ok()?;
        Some((child, (*parent, call.as_str())))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Process 1 makes 2 in a new mount namespace, whose first call is seen before the answer of clone3; 2 makes a
    /// hook 3; 4 joins.
    const TRACE: &str = r#"
1 openat(AT_FDCWD, "/etc/host", O_RDONLY) = 3
1 clone3({flags=CLONE_NEWNS|CLONE_PIDFD}, 88 <unfinished ...>
2 chdir("/") = 0
1 <... clone3 resumed> => {parent_tid=[0]}, 88) = 2
2 openat2(5, "/a", {resolve=RESOLVE_IN_ROOT}, 24) = 6
2 symlinkat("/proc/self/fd/0", 6, "stdin") = 0
2 mkdir("/bad", 0755) = 0
2 mount("x", "/proc/self/fd/7", NULL, 0, NULL <unfinished ...>
1 openat(AT_FDCWD, "/etc/fine", O_RDONLY) = 3
2 <... mount resumed>) = 0
2 clone(child_stack=NULL, flags=CLONE_VFORK|SIGCHLD) = 3
3 open("/dev/null", O_RDWR) = 4
3 execve("/bin/true", ["true"], 0x1 /* 0 vars */) = 0
3 openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY) = 3
2 newfstatat(AT_FDCWD, "/bin/sleep", 0x1, 0) = -1 ENOENT (No such file or directory)
2 newfstatat(AT_FDCWD, "/bin/other", 0x1, 0) = 0
2 execve("/bin/sleep", ["sleep"], 0x1) = -1 ENOENT (No such file or directory)
2 stat("/still/ours", 0x1) = 0
4 setns(9, CLONE_NEWNS|CLONE_NEWUTS) = 0
4 readlink("x", "/answer", 100) = 7
4 unlink("/bad4") = 0
"#;

    #[test]
    fn absolute_paths_are_found_where_they_are_dangerous_and_nowhere_else() {
        let found = offences(TRACE, "sleep");
        let expected = ["\"/bad\"", "/proc/self/fd/7", "\"/dev/null\"", "/bin/other", "/still/ours", "/bad4"];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (line, part) in found.iter().zip(expected) {
            assert!(line.contains(part), "{line} has no {part}");
        }
    }
}
