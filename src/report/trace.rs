//! `--trace`: where the time goes, one timestamp a step, in the parent and in init.
//!
//! Each process appends one line a step to the same file, in one write: the kernel keeps the lines whole. The lines
//! are the events of a Chrome trace (chrome://tracing, Perfetto), which may be cut short anywhere. When nobody asked
//! for a trace, a step costs one load and names are not even made. A trace that cannot be written must never fail a
//! container: it is left short.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::{Context, Result};

/// What the command line calls a table on standard error.
const TABLE: &str = "-";
/// Waiting for the program is none of our time.
pub const PROGRAM: &str = "the program runs";

static TRACE: OnceLock<Trace> = OnceLock::new();
/// When the last step of this process ended, ns of CLOCK_MONOTONIC; a child inherits its parent's.
static LAST: AtomicU64 = AtomicU64::new(0);
static IN_INIT: AtomicBool = AtomicBool::new(false);

struct Trace {
    file: File,
    begin: u64,
    table: bool,
}

/// An event of the trace format: complete ("X"), times in µs.
#[derive(Serialize, Deserialize)]
struct Event {
    name: String,
    ph: char,
    ts: f64,
    dur: f64,
    pid: u32,
    tid: String,
}

/// Begins the trace, as early as the command line is known. What came before it (the seal, above all) is the first
/// step: its length is this process's processor time so far.
///
/// # Errors
/// The file cannot be made.
pub fn begin(target: &Path) -> Result<()> {
    let table = target.as_os_str() == TABLE;
    let mut file = match table {
        true => scratch().context("make room for the trace")?,
        false => File::options()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o644)
            .custom_flags((OFlag::O_CLOEXEC | OFlag::O_APPEND).bits())
            .open(target)
            .with_context(|| format!("open the trace file {target:?}"))?,
    };
    file.write_all(b"[\n").context("write the trace")?;
    let used = clock(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    let begin = clock(ClockId::CLOCK_MONOTONIC).saturating_sub(used);
    LAST.store(begin, Ordering::Relaxed);
    let _ = TRACE.set(Trace { file, begin, table });
    done("execute, seal, read the command line");
    Ok(())
}

/// A file without a name, to which all writes append.
fn scratch() -> Result<File> {
    let file = memfd_create("trace", MFdFlags::MFD_CLOEXEC)?;
    fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
    Ok(File::from(file))
}

fn clock(id: ClockId) -> u64 {
    clock_gettime(id).map_or(0, |time| time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

/// From now on this process is init.
pub fn enter_init() {
    IN_INIT.store(true, Ordering::Relaxed);
}

/// Whether somebody wants a trace: for names that take work to make.
pub fn wanted() -> bool {
    TRACE.get().is_some()
}

/// A step has ended; the next begins.
pub fn done(name: &str) {
    let Some(trace) = TRACE.get() else { return };
    let now = clock(ClockId::CLOCK_MONOTONIC);
    let last = LAST.swap(now, Ordering::Relaxed);
    let tid = if IN_INIT.load(Ordering::Relaxed) { "init" } else { "parent" };
    let event = Event {
        name: name.to_string(),
        ph: 'X',
        ts: last.saturating_sub(trace.begin) as f64 / 1000.0,
        dur: now.saturating_sub(last) as f64 / 1000.0,
        pid: 1,
        tid: tid.to_string(),
    };
    let Ok(mut line) = serde_json::to_vec(&event) else { return };
    line.extend_from_slice(b",\n");
    // See above: a full disk ends the trace, not the container.
    let _ = (&trace.file).write_all(&line);
}

/// Ends the trace of a command; a table is printed now.
pub fn finish() {
    let Some(trace) = TRACE.get() else { return };
    let end = br#"{"name":"process_name","ph":"M","pid":1,"args":{"name":"trug"}}]"#;
    let _ = (&trace.file).write_all(end);
    if trace.table {
        let _ = print_table(&trace.file);
    }
}

fn print_table(mut file: &File) -> std::io::Result<()> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    std::io::stderr().write_all(table(&text).as_bytes())
}

/// One line a step, in order of their ends; the shares are of the time until the last end, but for the program's.
fn table(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_end_matches(','));
    let mut events: Vec<Event> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
    events.sort_by(|a, b| (a.ts + a.dur).total_cmp(&(b.ts + b.dur)));
    let program: f64 = events.iter().filter(|event| event.name == PROGRAM).map(|event| event.dur).sum();
    let total = events.last().map_or(0.0, |event| event.ts + event.dur) - program;
    let mut table = format!("{:>10} {:>9} {:>6}  {:<6}  step\n", "end µs", "µs", "share", "in");
    for event in &events {
        let share = match event.name == PROGRAM {
            true => "-".to_string(),
            false => format!("{:.1}%", 100.0 * event.dur / total.max(1.0)),
        };
        let end = event.ts + event.dur;
        table += &format!("{end:>10.0} {:>9.0} {share:>6}  {:<6}  {}\n", event.dur, event.tid, event.name);
    }
    table + &format!("{total:>10.0} µs in all, without the program's own time\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_a_step_and_leaves_the_program_out_of_the_shares() {
        let text = "[\n\
            {\"name\":\"clone\",\"ph\":\"X\",\"ts\":0.0,\"dur\":30.0,\"pid\":1,\"tid\":\"parent\"},\n\
            {\"name\":\"the program runs\",\"ph\":\"X\",\"ts\":100.0,\"dur\":900.0,\"pid\":1,\"tid\":\"parent\"},\n\
            {\"name\":\"mount\",\"ph\":\"X\",\"ts\":30.0,\"dur\":70.0,\"pid\":1,\"tid\":\"init\"},\n\
            {\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"args\":{\"name\":\"trug\"}}]";
        let table = table(text);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["30", "30", "30.0%", "parent", "clone"]);
        assert_eq!(lines[2], ["100", "70", "70.0%", "init", "mount"]);
        assert_eq!(lines[3], ["1000", "900", "-", "parent", "the", "program", "runs"]);
        assert_eq!(lines[4][0], "100");
    }

    #[test]
    fn without_a_trace_a_step_writes_nothing() {
        assert!(!wanted());
        done("nothing");
        assert_eq!(LAST.load(Ordering::Relaxed), 0);
    }
}
