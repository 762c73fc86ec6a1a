//! Block I/O by device and operation: v1's blkio, whose files depend on the scheduler, and v2's io.stat.

use super::layout::{Blkio, BlkioEntry};
use super::parse::{malformed, parsing, unsigned};
use crate::cgroup::write::Current;
use crate::report::{Context, Result};

type Table = fn(&mut Blkio) -> &mut Vec<BlkioEntry>;

const SECTORS: Table = |stats| &mut stats.sectors_recursive;
const SERVICE_TIME: Table = |stats| &mut stats.io_service_time_recursive;
const WAIT_TIME: Table = |stats| &mut stats.io_wait_time_recursive;
const MERGED: Table = |stats| &mut stats.io_merged_recursive;
const QUEUED: Table = |stats| &mut stats.io_queue_recursive;
const TIME: Table = |stats| &mut stats.io_time_recursive;
const SERVICED: Table = |stats| &mut stats.io_serviced_recursive;
const BYTES: Table = |stats| &mut stats.io_service_bytes_recursive;

/// Who may count, the one that tells most first: BFQ with its debug files, BFQ, CFQ (until Linux 5.0), the
/// throttler, which sees everything, and the throttler before it summed up. The first that has counted
/// anything is the one.
const GROUPS: [&[(&str, Table)]; 5] = [
    &[
        ("blkio.bfq.sectors_recursive", SECTORS),
        ("blkio.bfq.io_service_time_recursive", SERVICE_TIME),
        ("blkio.bfq.io_wait_time_recursive", WAIT_TIME),
        ("blkio.bfq.io_merged_recursive", MERGED),
        ("blkio.bfq.io_queued_recursive", QUEUED),
        ("blkio.bfq.time_recursive", TIME),
        ("blkio.bfq.io_serviced_recursive", SERVICED),
        ("blkio.bfq.io_service_bytes_recursive", BYTES),
    ],
    &[("blkio.bfq.io_serviced_recursive", SERVICED), ("blkio.bfq.io_service_bytes_recursive", BYTES)],
    &[
        ("blkio.sectors_recursive", SECTORS),
        ("blkio.io_service_time_recursive", SERVICE_TIME),
        ("blkio.io_wait_time_recursive", WAIT_TIME),
        ("blkio.io_merged_recursive", MERGED),
        ("blkio.io_queued_recursive", QUEUED),
        ("blkio.time_recursive", TIME),
        ("blkio.io_serviced_recursive", SERVICED),
        ("blkio.io_service_bytes_recursive", BYTES),
    ],
    &[
        ("blkio.throttle.io_serviced_recursive", SERVICED),
        ("blkio.throttle.io_service_bytes_recursive", BYTES),
    ],
    &[("blkio.throttle.io_serviced", SERVICED), ("blkio.throttle.io_service_bytes", BYTES)],
];

const V2: &str = "io.stat";

pub fn v1(now: &dyn Current) -> Result<Blkio> {
    let mut stats = Blkio::default();
    for group in GROUPS {
        let Some((first, _)) = group.first() else { continue };
        if table(now, first)?.is_empty() {
            continue;
        }
        for (file, entries) in group {
            *entries(&mut stats) = table(now, file)?;
        }
        break;
    }
    Ok(stats)
}

pub fn v2(now: &dyn Current) -> Result<Blkio> {
    let mut stats = Blkio::default();
    for line in now.read(V2)?.unwrap_or_default().lines() {
        v2_line(line, &mut stats).with_context(|| parsing(V2))?;
    }
    Ok(stats)
}

/// `MAJOR:MINOR rbytes=N wbytes=N rios=N wios=N …`. A device without numbers has no line of its own, but may
/// stand before the next one (an old kernel's slip); what is no `key=number` is passed over.
fn v2_line(line: &str, stats: &mut Blkio) -> Result<()> {
    let mut words = line.split_whitespace();
    let Some((major, minor)) = words.next().and_then(|device| device.split_once(':')) else {
        return Err(malformed(line, "major:minor key=value"));
    };
    let (major, minor) = (unsigned(major)?, unsigned(minor)?);
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        let (op, entries) = match key {
            "rbytes" => ("Read", BYTES),
            "wbytes" => ("Write", BYTES),
            "rios" => ("Read", SERVICED),
            "wios" => ("Write", SERVICED),
            _ => continue,
        };
        entries(stats).push(BlkioEntry { major, minor, op: op.to_owned(), value: unsigned(value)? });
    }
    Ok(())
}

fn table(now: &dyn Current, file: &str) -> Result<Vec<BlkioEntry>> {
    let text = now.read(file)?.unwrap_or_default();
    let entries = text.lines().map(v1_line).collect::<Result<Vec<_>>>().with_context(|| parsing(file))?;
    Ok(entries.into_iter().flatten().collect())
}

/// `MAJOR:MINOR OPERATION N`, or without an operation; `Total N`, the sum of all, is None.
fn v1_line(line: &str) -> Result<Option<BlkioEntry>> {
    let words: Vec<&str> = line.split([' ', ':']).filter(|word| !word.is_empty()).collect();
    let (major, minor, op, value) = match words[..] {
        ["Total", _] => return Ok(None),
        [major, minor, value] => (major, minor, "", value),
        [major, minor, op, value] => (major, minor, op, value),
        _ => return Err(malformed(line, "major:minor operation value")),
    };
    let (major, minor, value) = (unsigned(major)?, unsigned(minor)?, unsigned(value)?);
    Ok(Some(BlkioEntry { major, minor, op: op.to_owned(), value }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::write::testing::files;

    fn entry(major: u64, minor: u64, op: &str, value: u64) -> BlkioEntry {
        BlkioEntry { major, minor, op: op.to_owned(), value }
    }

    #[test]
    fn the_throttler_counts_where_no_scheduler_has() {
        let now = files(&[
            ("blkio.bfq.io_serviced_recursive", "Total 0\n"),
            ("blkio.bfq.io_service_bytes_recursive", "Total 0\n"),
            (
                "blkio.throttle.io_serviced_recursive",
                "8:0 Read 4\n8:0 Write 1\n8:0 Sync 5\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 5\nTotal 5\n",
            ),
            ("blkio.throttle.io_service_bytes_recursive", "8:0 Read 16384\nTotal 16384\n"),
            ("blkio.throttle.io_serviced", "8:0 Read 99\nTotal 99\n"),
        ]);
        let found = v1(&now).unwrap();
        assert_eq!(found.io_serviced_recursive.len(), 6);
        assert_eq!(found.io_serviced_recursive[0], entry(8, 0, "Read", 4));
        assert_eq!(found.io_serviced_recursive[5], entry(8, 0, "Total", 5));
        assert_eq!(found.io_service_bytes_recursive, [entry(8, 0, "Read", 16384)]);
    }

    #[test]
    fn the_group_that_tells_most_is_taken_whole() {
        let now = files(&[
            ("blkio.bfq.sectors_recursive", "8:16 2056\n"),
            ("blkio.bfq.time_recursive", "8:16 57\n"),
            ("blkio.bfq.io_queued_recursive", "8:16 Read 1\nTotal 1\n"),
            ("blkio.bfq.io_serviced_recursive", "8:16 Read 2\nTotal 2\n"),
            ("blkio.throttle.io_serviced_recursive", "8:16 Read 9\n"),
        ]);
        let found = v1(&now).unwrap();
        assert_eq!(found.sectors_recursive, [entry(8, 16, "", 2056)]);
        assert_eq!(found.io_time_recursive, [entry(8, 16, "", 57)]);
        assert_eq!(found.io_queue_recursive, [entry(8, 16, "Read", 1)]);
        assert_eq!(found.io_serviced_recursive, [entry(8, 16, "Read", 2)]);
        assert!(found.io_merged_recursive.is_empty());
    }

    #[test]
    fn v2_counts_go_to_v1s_tables() {
        let text = "253:0 rbytes=81920 wbytes=4096 rios=5 wios=1 dbytes=0 dios=0\n\
                    8:16 8:0 rbytes=1 wbytes=0 rios=1 wios=0 cost.usage=3\n7:0\n";
        let found = v2(&files(&[("io.stat", text)])).unwrap();
        let bytes = [
            entry(253, 0, "Read", 81920),
            entry(253, 0, "Write", 4096),
            entry(8, 16, "Read", 1),
            entry(8, 16, "Write", 0),
        ];
        assert_eq!(found.io_service_bytes_recursive, bytes);
        assert_eq!(found.io_serviced_recursive[0], entry(253, 0, "Read", 5));
        assert_eq!(found.io_serviced_recursive.len(), 4);
    }

    #[test]
    fn a_malformed_line_names_the_file() {
        for line in ["8 Read 4", "8:0", "Total", "8:0 Read 4 5 6", "a:0 Read 4", "8:0 Read x"] {
            let now = files(&[("blkio.throttle.io_serviced_recursive", line)]);
            let error = v1(&now).unwrap_err().to_string();
            let is_short = line == "8 Read 4";
            assert!(is_short || error.starts_with("parse blkio.throttle.io_serviced_recursive: "), "{error}");
        }
        for line in ["8 rbytes=1", "x:0 rbytes=1", "8:0 rbytes=x"] {
            let error = v2(&files(&[("io.stat", line)])).unwrap_err().to_string();
            assert!(error.starts_with("parse io.stat: "), "{error}");
        }
    }
}
