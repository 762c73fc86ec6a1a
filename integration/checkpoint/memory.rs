//! Where memory goes: to a page server, before the rest of the dump, after it, and not twice.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::counter::Counter;
use crate::support::criu::{command_on, with_criu};
use crate::support::{Fifo, Invocation, Outcome, criu, skip};

/// A port that nobody has now.
fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// How many images of memory are in a directory.
fn pages_in(directory: &Path) -> anyhow::Result<usize> {
    let names = fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name()));
    let names: Vec<_> = names.collect::<std::io::Result<_>>()?;
    Ok(names.iter().filter(|name| name.to_string_lossy().starts_with("pages-")).count())
}

#[test]
fn a_page_server_takes_the_memory() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        let nobody = format!("127.0.0.1:{}", free_port()?);
        counter.checkpoint(&["--page-server", &nobody])?.fails(1, "criu failed to dump: ");
        assert_eq!(counter.container.status()?, "running", "nobody listens there");
        counter.counts(2)?;
        fs::remove_dir_all(counter.images())?;

        let pages = counter.container.path("pages");
        fs::create_dir(&pages)?;
        let mut status = Fifo::make(&counter.container.path("status"))?;
        let port = free_port()?.to_string();
        let words = ["criu", "page-server", "--address", "127.0.0.1", "--port", &port, "--status-fd", "9"];
        let mut server = Invocation::new(words)
            .arg("--images-dir")
            .arg(&pages)
            .env("PATH", criu::path())
            .after(&format!("exec 9>{}", counter.container.path("status").display()))
            .spawn()?;
        status.byte(0)?;
        counter.checkpoint(&["--page-server", &format!("127.0.0.1:{port}")])?.ok();
        assert_eq!(server.wait()?.code(), Some(0));
        assert!(counter.images().join("inventory.img").exists());
        assert_eq!(pages_in(&counter.images())?, 0);
        assert!(pages_in(&pages)? > 0);

        for entry in fs::read_dir(&pages)? {
            let entry = entry?;
            fs::copy(entry.path(), counter.images().join(entry.file_name()))?;
        }
        counter.restore(&[])?.ok();
        counter.counts(3)
    })
}

#[test]
fn a_parent_is_a_directory_beside_the_images() -> Outcome {
    with_criu(|| {
        let counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.checkpoint(&["--parent-path", "/tmp"])?.fails(1, "--parent-path must be relative");
        counter.checkpoint(&["--parent-path", "../none"])?.fails(1, "invalid --parent-path");
        assert_eq!(counter.container.status()?, "running");
        Ok(())
    })
}

#[test]
fn a_pre_dump_is_the_parent_of_the_next() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        let (first, second) = (counter.container.path("first"), counter.container.path("second"));
        let pre_dump = command_on(&counter.container, "checkpoint", &first, &["--pre-dump"])?;
        if !criu::has("mem_dirty_track") {
            pre_dump.fails(1, "--pre-dump is not possible").fails(1, "CONFIG_MEM_SOFT_DIRTY");
            counter.counts(2)?;
            return skip("this kernel cannot track which memory has changed: refused, and no more to see");
        }
        pre_dump.ok();
        assert!(!first.join("core-1.img").exists(), "the memory only");
        counter.counts(2)?;
        let flags = ["--pre-dump", "--parent-path", "../first"];
        command_on(&counter.container, "checkpoint", &second, &flags)?.ok();
        counter.counts(3)?;
        counter.checkpoint(&["--parent-path", "../second", "--auto-dedup"])?.ok();
        assert_eq!(fs::read_link(counter.images().join("parent"))?, Path::new("../second"));
        counter.restore(&[])?.ok();
        counter.counts(4)?;
        // A dump into the same directory that stands on nothing.
        counter.checkpoint(&[])?.ok();
        assert!(!counter.images().join("parent").exists());
        counter.restore(&[])?.ok();
        counter.counts(5)
    })
}

#[test]
fn memory_that_is_back_is_dropped_from_the_images_where_that_is_asked_for() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&[])?.ok();
        let blocks = || fs::metadata(counter.images().join("pages-1.img")).map(|data| data.blocks());
        let before = blocks()?;
        counter.restore(&["--auto-dedup"])?.ok();
        assert!(blocks()? < before, "{} of {before} blocks are left", blocks()?);
        counter.counts(2)
    })
}

/// Runs a test where memory can be left behind.
fn with_lazy_pages(test: impl FnOnce() -> Outcome) -> Outcome {
    with_criu(|| match criu::has("uffd-noncoop") {
        true => test(),
        false => skip("this kernel has no userfaultfd for this"),
    })
}

#[test]
fn lazy_pages_tell_when_they_are_served() -> Outcome {
    with_lazy_pages(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        let mut status = Fifo::make(&counter.container.path("status"))?;
        let server = format!("127.0.0.1:{}", free_port()?);
        let flags = ["--lazy-pages", "--page-server", &server, "--status-fd", "9"];
        let checkpoint = criu::invocation(&counter.container, "checkpoint", &counter.images(), &flags)
            .after(&format!("exec 9>{}", counter.container.path("status").display()));
        let mut running = checkpoint.spawn()?;
        status.byte(0)?;
        assert!(counter.images().join("inventory.img").exists(), "all but memory is saved by then");
        // A client that wants nothing: CRIU takes that for the end.
        drop(std::net::TcpStream::connect(&server)?);
        running.wait()?;
        Ok(())
    })
}

/// What serves the memory has a pipe of more than 3 MiB, and fails where it may not (page-pipe.c).
fn may_make_large_pipes() -> anyhow::Result<bool> {
    let (pipe, _) = rustix::pipe::pipe()?;
    Ok(rustix::pipe::fcntl_setpipe_size(&pipe, 4 << 20).is_ok())
}

#[test]
fn memory_that_was_left_behind_is_fetched_when_it_is_touched() -> Outcome {
    with_lazy_pages(|| {
        if !may_make_large_pipes()? {
            return skip("criu's pipes want CAP_SYS_RESOURCE, or a larger fs.pipe-max-size");
        }
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        let (mut saved, mut ready) =
            (Fifo::make(&counter.container.path("saved"))?, Fifo::make(&counter.container.path("ready"))?);
        let told_by = |name: &str| format!("exec 9>{}", counter.container.path(name).display());
        let port = free_port()?.to_string();
        let server = format!("127.0.0.1:{port}");
        let flags = ["--lazy-pages", "--page-server", &server, "--status-fd", "9"];
        let flags = [&flags[..], &["--manage-cgroups-mode", "ignore"]].concat();
        let mut checkpoint = criu::invocation(&counter.container, "checkpoint", &counter.images(), &flags)
            .after(&told_by("saved"))
            .spawn()?;
        saved.byte(0)?;
        let words = ["criu", "lazy-pages", "--page-server", "--address", "127.0.0.1", "--port", &port];
        let mut fetcher = Invocation::new(words)
            .arg("--images-dir")
            .arg(counter.images())
            .arg("--status-fd")
            .arg("9")
            .env("PATH", criu::path())
            .after(&told_by("ready"))
            .spawn()?;
        ready.byte(0)?;

        // The first is there until the last of its memory is away.
        let mut other = Counter::new(|_| {})?;
        let flags = ["--detach", "--lazy-pages", "--manage-cgroups-mode", "ignore"];
        command_on(&other.container, "restore", &counter.images(), &flags)?.ok();
        other.counts(2)?;
        assert_eq!(checkpoint.wait()?.code(), Some(0), "{}", checkpoint.stderr());
        assert_eq!(fetcher.wait()?.code(), Some(0), "{}", fetcher.stderr());
        counter.container.command(&["state"])?.fails(1, "does not exist");
        other.counts(3)
    })
}

#[test]
fn a_restore_of_memory_that_nobody_serves_says_so_and_leaves_nothing() -> Outcome {
    with_lazy_pages(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&[])?.ok();
        counter.restore(&["--lazy-pages"])?.fails(1, "lazy-pages");
        assert_eq!(counter.container.leftovers()?, Vec::<String>::new());
        counter.restore(&[])?.ok();
        counter.counts(2)
    })
}

#[test]
fn a_descriptor_for_the_status_must_be_there_and_writable() -> Outcome {
    let counter = Counter::new(|_| {})?;
    with_criu(|| {
        counter.container.detach()?;
        let with = |set_up: &str| {
            let flags = ["--lazy-pages", "--status-fd", "9"];
            criu::invocation(&counter.container, "checkpoint", &counter.images(), &flags)
                .after(set_up)
                .output()
        };
        with("exec 9>&-")?.fails(1, "invalid --status-fd argument 9");
        with("exec 9</dev/null")?.fails(1, "not writable");
        assert_eq!(counter.container.status()?, "running");
        Ok(())
    })
}
