//! Why it failed, by CRIU's log: the answer on the wire has no more than an errno, and seldom that.

/// Said where there is no CAP_SYS_RESOURCE, whatever becomes of it.
const HARMLESS: &str = "rlimit: Can't setup";

/// Errors that others are the cause of.
const NOISE: [&str; 9] = [
    "Dumping FAILED",
    "Pre-dumping FAILED",
    "Restoring FAILED",
    "exited, status=",
    "killed by signal",
    "Can't open process ns",
    "Unable to send a fd",
    "Unable to kill",
    "Image write failed",
];

/// What a caller can do about it, by words of the cause in small letters.
const HINTS: [(&str, &str); 17] = [
    ("tcp-established", "allow open TCP connections with --tcp-established"),
    (
        "connected tcp socket in image",
        "restore open TCP connections with --tcp-established, or as closed ones with --tcp-close",
    ),
    ("in-flight", "leave connections that are being made out with --tcp-skip-in-flight"),
    ("ext-unix-sk", "allow Unix sockets with a peer outside with --ext-unix-sk"),
    ("without peer", "allow Unix sockets with a peer outside with --ext-unix-sk"),
    ("file-locks", "allow file locks with --file-locks"),
    ("shell-job", "allow the caller's terminal with --shell-job"),
    ("link-remap", "allow files that were removed while open with --link-remap"),
    ("iptables-restore", "install iptables, or choose --network-lock nftables or skip"),
    ("ip6tables-restore", "install iptables, or choose --network-lock nftables or skip"),
    ("path=/dev/pts/", "allow a terminal of a session outside with --shell-job"),
    ("path=/dev/tty", "allow a terminal of a session outside with --shell-job"),
    (
        "has bad size",
        "a file that was open must be as long as it was: standard streams go on in the same file",
    ),
    ("can't lookup mount", "a file outside of the container is open in it"),
    (
        "page-pipe: splice",
        "criu's lazy pages take CAP_SYS_RESOURCE, or larger pipes: sysctl fs.pipe-max-size=4194304",
    ),
    ("vdso", "this criu is too old for this kernel: install a newer one"),
    ("no mapping for", "the checkpoint has a mount from the host that this config.json has not"),
];

/// The first line of the log that tells of a cause, without time, and what to do about it, where that is known.
/// None where the log tells of none.
pub fn cause(log: &[u8]) -> Option<(String, Option<&'static str>)> {
    let text = String::from_utf8_lossy(log);
    let errors = text.lines().filter_map(error_of).filter(|error| !error.contains(HARMLESS));
    let errors: Vec<&str> = errors.collect();
    let cause = errors.iter().find(|error| !is_noise(error)).or(errors.first())?;
    let lower = cause.to_lowercase();
    let hint = HINTS.iter().find(|(words, _)| lower.contains(words)).map(|(_, hint)| *hint);
    Some((place_last(cause), hint))
}

/// `(00.012) Error (criu/files.c:42): text` -> `(criu/files.c:42): text`; also behind a pid, ` 12: Error …`.
fn error_of(line: &str) -> Option<&str> {
    let (before, error) = line.split_once("Error ")?;
    let is_prefix = before.chars().all(|letter| letter.is_ascii_digit() || " ().:".contains(letter));
    (is_prefix && error.starts_with('(')).then_some(error)
}

fn is_noise(error: &str) -> bool {
    NOISE.iter().any(|words| error.contains(words))
}

/// `(criu/files.c:42): text` -> `text (criu/files.c:42)`.
fn place_last(error: &str) -> String {
    match error.split_once("): ") {
        Some((place, text)) => format!("{} {place})", text.trim()),
        None => error.trim().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
(00.000001) Version: 4.1.1 (gitid 0)
(00.041782) Error (criu/util.c:1533): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted
(00.041800) Warn  (criu/x.c:1): an Error (not one)
(00.143864)     12: Error (criu/sk-inet.c:191): inet: Connected TCP socket, consider using --tcp-established option.
(00.143870) Error (criu/cr-dump.c:1669): Dump files (pid: 7) failed with -1
(00.185199) Error (criu/cr-dump.c:2111): Dumping FAILED.
";

    #[test]
    fn the_first_error_that_is_a_cause_is_told_with_its_place_last() {
        let (cause, hint) = cause(LOG.as_bytes()).unwrap();
        assert_eq!(
            cause,
            "inet: Connected TCP socket, consider using --tcp-established option. (criu/sk-inet.c:191)"
        );
        assert!(hint.unwrap().contains("--tcp-established"));
    }

    #[test]
    fn words_are_known_in_capitals_too() {
        let (_, hint) = cause(b"Error (criu/sk-inet.c:185): inet: In-flight connection (l) for 1\n").unwrap();
        assert!(hint.unwrap().contains("--tcp-skip-in-flight"));
        let (_, hint) =
            cause(b"Error (criu/page-pipe.c:424): page-pipe: splice: -1: Bad file descriptor\n").unwrap();
        assert!(hint.unwrap().contains("fs.pipe-max-size"));
        let capitals = HINTS.iter().filter(|(words, _)| words.to_lowercase() != *words);
        assert_eq!(capitals.count(), 0);
    }

    #[test]
    fn noise_is_told_where_there_is_nothing_else() {
        let log = b"(00.1) Error (criu/cr-dump.c:2111): Dumping FAILED.\n";
        assert_eq!(cause(log), Some(("Dumping FAILED. (criu/cr-dump.c:2111)".into(), None)));
        assert_eq!(cause(b"all is well\n\xff\xfe"), None);
        let lives_with =
            b"(00.1) Error (criu/util.c:1533): rlimit: Can't setup RLIMIT_NOFILE for self: EPERM\n";
        assert_eq!(cause(lives_with), None, "what it dies of is not in the log");
        assert_eq!(cause(b""), None);
    }

    #[test]
    fn a_line_without_a_time_counts() {
        let log =
            b"Error (criu/util.c:641): execvp(\"iptables-restore\", ...) failed: No such file or directory\n";
        let (text, hint) = cause(log).unwrap();
        assert!(text.starts_with("execvp(\"iptables-restore\""), "{text}");
        assert!(hint.unwrap().contains("--network-lock"));
    }
}
