//! Looking at system calls from outside, where the machine lets us.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{Container, Invocation};

/// Why strace cannot be used here, if so.
pub fn lacking() -> Option<&'static str> {
    static WORKS: OnceLock<bool> = OnceLock::new();
    let works = WORKS.get_or_init(|| {
        let probe = Invocation::new(["strace", "-f", "-o", "/dev/null", "true"]).output();
        probe.is_ok_and(|output| output.status() == 0)
    });
    (!works).then_some("strace is missing, or may not trace here")
}

/// The words that trace a command by a tracer that outlives it (`-D`), as its container does. It ends with the last
/// process that it follows, and so maybe after the test: it does not carry the mark of what a test must not leave.
pub fn outliving(container: &Container, options: &[&str]) -> Vec<String> {
    let marker = container.marker();
    let key = marker.split('=').next().unwrap_or_default();
    let tracer = ["env", "-u", key, "strace", "-D", "-f", "-E", marker];
    tracer.iter().chain(options).map(|word| word.to_string()).collect()
}

/// Paths that may be named absolutely between the new mount namespace and the execve: the lookup of the
/// program itself, and the root.
const ALLOWED: [&str; 2] = ["/", "/bin/true"];

/// Each system call with an absolute path by a process that is in a new mount namespace and has not yet executed
/// its program. `trace` is what `strace -f -o` writes.
pub fn absolute_paths_inside(trace: &str) -> Vec<String> {
    let mut inside: HashMap<&str, bool> = HashMap::new();
    let mut offences = Vec::new();
    for line in trace.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(child) = child_in_new_namespace(call) {
            inside.insert(child, true);
        }
        if call.starts_with("unshare(") && call.contains("CLONE_NEWNS") {
            inside.insert(pid, true);
        }
        if !inside.get(pid).copied().unwrap_or(false) {
            continue;
        }
        if call.starts_with("execve") {
            inside.insert(pid, false);
            continue;
        }
        // Resolved inside the root by the kernel itself, absolute or not.
        if call.contains("RESOLVE_IN_ROOT") {
            continue;
        }
        if absolute_strings(call).iter().any(|path| !ALLOWED.contains(path)) {
            offences.push(line.to_string());
        }
    }
    offences
}

/// The pid that a clone with a new mount namespace answered.
fn child_in_new_namespace(call: &str) -> Option<&str> {
    if !call.contains("clone") || !call.contains("CLONE_NEWNS") {
        return None;
    }
    call.rsplit_once("= ")?.1.split(' ').next()
}

/// Quoted strings of a call to the file system that begin with a slash.
fn absolute_strings(call: &str) -> Vec<&str> {
    let writes_data =
        ["write", "read", "send", "recv", "pwrite", "pread", "prctl", "sethostname", "keyctl", "add_key"];
    if writes_data.iter().any(|name| call.starts_with(name) && !call.starts_with("readlink")) {
        return Vec::new();
    }
    // What the kernel answers comes after the arguments; a link's target is data too.
    let arguments = call.rsplit_once(" = ").map_or(call, |(arguments, _)| arguments);
    let strings = arguments.split('"').skip(1).step_by(2);
    let first = if call.starts_with("symlink") { 1 } else { 0 };
    strings.skip(first).filter(|text| text.starts_with('/')).collect()
}
