use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};

use super::super::Errno;
use super::super::mountinfo::{Mountinfo, mount_id};
use super::super::namespace::{Kind, unshare};
use super::super::procfs::Proc;
use super::super::testing::{Scratch, in_child};
use super::*;

fn directory(path: &str) -> OwnedFd {
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).unwrap()
}

fn change(kind: PropagationKind) -> Propagation {
    Propagation { kind, recursive: true }
}

/// A mount namespace of our own that the host hears nothing from.
fn own_namespace() {
    unshare(Kind::Mount).unwrap();
    set_root_propagation(change(PropagationKind::Private)).unwrap();
}

fn tmpfs() -> OwnedFd {
    FsContext::open("tmpfs").unwrap().mount(Attributes::default()).unwrap()
}

/// The mount options of a mount: field 6 of its mountinfo line.
fn options(mount: &OwnedFd) -> String {
    let id = mount_id(mount.as_fd()).unwrap().to_string();
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = text.lines().find(|line| line.split(' ').next() == Some(&id)).expect("mount is listed");
    line.split(' ').nth(5).unwrap().to_owned()
}

/// A tmpfs attached to a directory of the scratch.
fn attached(scratch: &Scratch) -> OwnedFd {
    let mount = tmpfs();
    move_mount(mount.as_fd(), directory(scratch.path().to_str().unwrap()).as_fd()).unwrap();
    mount
}

#[test]
fn a_new_filesystem_has_the_options_it_was_given() {
    let context = FsContext::open("tmpfs").unwrap();
    context.set("source", Some("basket")).unwrap();
    context.set("size", Some("64k")).unwrap();
    context.set("ro", None).unwrap();
    let set = Attr::NOSUID | Attr::NODEV | Attr::NOEXEC | Attr::NOSYMFOLLOW;
    let mount =
        context.mount(Attributes { set, atime: Some(Atime::Noatime), ..Attributes::default() }).unwrap();
    let scratch = Scratch::new();
    in_child(|| {
        own_namespace();
        move_mount(mount.as_fd(), directory(scratch.path().to_str().unwrap()).as_fd()).unwrap();
        assert_eq!(options(&mount), "rw,nosuid,nodev,noexec,noatime,nosymfollow");
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = text.lines().find(|line| line.contains(scratch.path().to_str().unwrap())).unwrap();
        assert!(line.contains("- tmpfs basket ro,size=64k"), "{line}");
    });
}

#[test]
fn what_is_mounted_at_once_is_what_is_mounted_step_by_step() {
    let (here, there) = (Scratch::new(), Scratch::new());
    let all = Attr::NOSUID | Attr::NODEV | Attr::NOEXEC | Attr::NODIRATIME;
    let sets = [Attr::empty(), Attr::NOSUID, Attr::NODEV, Attr::NOEXEC, Attr::NODIRATIME, all];
    let atimes = [None, Some(Atime::Relatime), Some(Atime::Noatime), Some(Atime::Strictatime)];
    in_child(|| {
        own_namespace();
        // All of a mountinfo line from the options on, without the device's number.
        let shown = |scratch: &Scratch| {
            let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
            let path = scratch.path().to_str().unwrap();
            let line =
                text.lines().rfind(|line| line.split(' ').nth(4) == Some(path)).expect("it is mounted");
            line.split(' ').skip(5).collect::<Vec<_>>().join(" ")
        };
        for (set, atime) in sets.into_iter().flat_map(|set| atimes.map(|atime| (set, atime))) {
            let attributes = Attributes { set, atime, ..Default::default() };
            let target = directory(here.path().to_str().unwrap());
            mount_at_once(target.as_fd(), "tmpfs", "basket", "mode=700,size=64k", attributes).unwrap();
            assert_eq!(std::env::current_dir().unwrap(), Path::new("/"));
            let context = FsContext::open("tmpfs").unwrap();
            for (key, value) in [("source", "basket"), ("mode", "700"), ("size", "64k")] {
                context.set(key, Some(value)).unwrap();
            }
            let mount = context.mount(attributes).unwrap();
            move_mount(mount.as_fd(), directory(there.path().to_str().unwrap()).as_fd()).unwrap();
            assert_eq!(shown(&here), shown(&there), "{attributes:?}");
        }
        let target = directory(here.path().to_str().unwrap());
        let attempt = |options, set| {
            mount_at_once(target.as_fd(), "tmpfs", "t", options, Attributes { set, ..Default::default() })
        };
        assert_eq!(attempt("colour=green", Attr::empty()), Err(Errno::EINVAL));
        assert_eq!(attempt("", Attr::RDONLY), Err(Errno::EINVAL));
        assert_eq!(attempt("", Attr::NOSYMFOLLOW), Err(Errno::EINVAL));
    });
}

#[test]
fn the_kernel_says_what_it_dislikes_about_an_option() {
    let context = FsContext::open("tmpfs").unwrap();
    assert_eq!(context.messages(), Vec::<String>::new());
    assert_eq!(context.set("colour", Some("green")), Err(Errno::EINVAL));
    assert_eq!(context.set("size", Some("many")), Err(Errno::EINVAL));
    let messages = context.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].starts_with("e tmpfs: Unknown parameter 'colour'"), "{messages:?}");
    assert_eq!(context.messages(), Vec::<String>::new());
}

#[test]
fn an_unknown_filesystem_is_enodev_and_a_zero_byte_einval() {
    assert_eq!(FsContext::open("nosuchfs").map(drop), Err(Errno::ENODEV));
    assert_eq!(FsContext::open("tmp\0fs").map(drop), Err(Errno::EINVAL));
    assert_eq!(FsContext::open("tmpfs").unwrap().set("size", Some("1\0")), Err(Errno::EINVAL));
}

#[test]
fn a_change_touches_only_what_it_names() {
    let scratch = Scratch::new();
    let flags = |set| Attributes { set, ..Attributes::default() };
    let cleared = |clear| Attributes { clear, ..Attributes::default() };
    let times = |atime| Attributes { atime: Some(atime), ..Attributes::default() };
    in_child(|| {
        own_namespace();
        let mount = attached(&scratch);
        for (change, options_after) in [
            (Attributes::default(), "rw,relatime"),
            (flags(Attr::RDONLY | Attr::NODEV), "ro,nodev,relatime"),
            (flags(Attr::NOEXEC), "ro,nodev,noexec,relatime"),
            (times(Atime::Noatime), "ro,nodev,noexec,noatime"),
            (times(Atime::Strictatime), "ro,nodev,noexec"),
            (cleared(Attr::RDONLY), "rw,nodev,noexec"),
            (times(Atime::Relatime), "rw,nodev,noexec,relatime"),
            (flags(Attr::NODIRATIME), "rw,nodev,noexec,nodiratime,relatime"),
            (
                Attributes {
                    set: Attr::NOSUID,
                    clear: Attr::all() - Attr::NOSUID,
                    atime: Some(Atime::Noatime),
                },
                "rw,nosuid,noatime",
            ),
        ] {
            set_attributes(mount.as_fd(), change, false).unwrap();
            assert_eq!(options(&mount), options_after, "{change:?}");
        }
    });
}

#[test]
fn a_recursive_change_reaches_submounts_and_a_plain_one_does_not() {
    let scratch = Scratch::new();
    let readonly = Attributes { set: Attr::RDONLY, ..Attributes::default() };
    in_child(|| {
        own_namespace();
        let top = attached(&scratch);
        let below = scratch.join("below");
        fs::create_dir(&below).unwrap();
        let inner = tmpfs();
        move_mount(inner.as_fd(), directory(below.to_str().unwrap()).as_fd()).unwrap();
        set_attributes(top.as_fd(), readonly, false).unwrap();
        assert_eq!((options(&top).as_str(), options(&inner).as_str()), ("ro,relatime", "rw,relatime"));
        set_attributes(top.as_fd(), readonly, true).unwrap();
        assert_eq!(options(&inner), "ro,relatime");
    });
}

#[test]
fn a_clone_shows_the_same_files_and_submounts_only_if_asked() {
    let scratch = Scratch::new();
    in_child(|| {
        own_namespace();
        let top = attached(&scratch);
        let below = scratch.join("below");
        fs::create_dir(&below).unwrap();
        move_mount(tmpfs().as_fd(), directory(below.to_str().unwrap()).as_fd()).unwrap();
        fs::write(below.join("inner"), "").unwrap();
        for (recursive, seen) in [(false, false), (true, true)] {
            let parent = directory(scratch.path().parent().unwrap().to_str().unwrap());
            let name = Path::new(scratch.path().file_name().unwrap());
            for clone in [
                open_tree_clone(parent.as_fd(), name, recursive).unwrap(),
                open_tree_clone_fd(directory(scratch.path().to_str().unwrap()).as_fd(), recursive).unwrap(),
            ] {
                assert_eq!(fstat(&clone).unwrap().st_ino, fstat(&top).unwrap().st_ino);
                let inner = nix::sys::stat::fstatat(&clone, "below/inner", nix::fcntl::AtFlags::empty());
                assert_eq!(inner.is_ok(), seen, "recursive: {recursive}");
            }
        }
    });
}

#[test]
fn a_file_does_not_go_on_a_directory() {
    let scratch = Scratch::new();
    in_child(|| {
        own_namespace();
        let file = open_tree_clone(directory("/").as_fd(), Path::new("/etc/passwd"), false).unwrap();
        assert_eq!(
            move_mount(file.as_fd(), directory(scratch.path().to_str().unwrap()).as_fd()),
            Err(Errno::EINVAL)
        );
    });
}

#[test]
fn propagation_is_set_as_asked() {
    let scratch = Scratch::new();
    let optional_fields = |mount: &OwnedFd| {
        let id = mount_id(mount.as_fd()).unwrap().to_string();
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = text.lines().find(|line| line.split(' ').next() == Some(&id)).unwrap().to_owned();
        line.split(" - ").next().unwrap().split(' ').skip(6).collect::<Vec<_>>().join(" ")
    };
    in_child(|| {
        own_namespace();
        let mount = attached(&scratch);
        for (kind, starts) in [
            (PropagationKind::Shared, "shared:"),
            (PropagationKind::Private, ""),
            (PropagationKind::Unbindable, "unbindable"),
            (PropagationKind::Slave, "unbindable"),
            (PropagationKind::Private, ""),
        ] {
            set_propagation(mount.as_fd(), Propagation { kind, recursive: false }).unwrap();
            let fields = optional_fields(&mount);
            assert!(
                fields.starts_with(starts) && starts.is_empty() == fields.is_empty(),
                "{kind:?}: {fields}"
            );
        }
    });
}

#[test]
fn an_idmapped_mount_shows_mapped_owners() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "").unwrap();
    in_child(|| {
        own_namespace();
        attached(&scratch);
        fs::write(scratch.join("file"), "").unwrap();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        // SAFETY: a single-threaded child.
        let nix::unistd::ForkResult::Parent { child } = (unsafe { nix::unistd::fork() }).unwrap() else {
            unshare(Kind::User).unwrap();
            nix::unistd::write(&writer, b"x").unwrap();
            loop {
                nix::unistd::pause();
            }
        };
        super::super::fd::read(reader.as_fd(), &mut [0]).unwrap();
        let proc = Proc::open().unwrap();
        proc.write_pid(child, "uid_map", b"0 1234 1").unwrap();
        proc.write_pid(child, "gid_map", b"0 1234 1").unwrap();
        let userns = proc.open_namespace(child, "user").unwrap();
        nix::sys::signal::kill(child, nix::sys::signal::SIGKILL).unwrap();
        nix::sys::wait::waitpid(child, None).unwrap();
        let clone = open_tree_clone_fd(directory(scratch.path().to_str().unwrap()).as_fd(), false).unwrap();
        set_idmap(clone.as_fd(), userns.as_fd(), false).unwrap();
        let file = nix::sys::stat::fstatat(&clone, "file", nix::fcntl::AtFlags::empty()).unwrap();
        assert_eq!((file.st_uid, file.st_gid), (1234, 1234));
    });
}

#[test]
fn a_superblock_is_reconfigured_by_its_mount() {
    let scratch = Scratch::new();
    in_child(|| {
        own_namespace();
        let mount = attached(&scratch);
        let context = FsContext::pick(mount.as_fd()).unwrap();
        context.set("ro", None).unwrap();
        context.reconfigure().unwrap();
        assert_eq!(fs::write(scratch.join("file"), "").unwrap_err().raw_os_error(), Some(libc::EROFS));
        assert_eq!(options(&mount), "rw,relatime", "the mount itself is as it was");
    });
}

/// A tmpfs with a directory `proc` and a file that tells it from the host, attached over `/`.
fn new_root() -> OwnedFd {
    let root = tmpfs();
    for name in ["proc", "old"] {
        nix::sys::stat::mkdirat(&root, name, Mode::S_IRWXU).unwrap();
    }
    move_mount_over_root(root.as_fd()).unwrap();
    root
}

fn mountinfo(proc: &Proc) -> Mountinfo {
    Mountinfo::parse(&proc.read_self("mountinfo", 1 << 20).unwrap())
}

#[test]
fn pivot_into_a_mount_over_the_root_leaves_nothing_of_the_host() {
    for kind in [PropagationKind::Private, PropagationKind::Slave] {
        in_child(|| {
            let proc = Proc::open().unwrap();
            unshare(Kind::Mount).unwrap();
            set_root_propagation(change(kind)).unwrap();
            let root = new_root();
            pivot_root(root.as_fd()).unwrap();
            assert_eq!(super::super::process::raw_cwd().unwrap(), Path::new("/"));
            assert!(Path::new("/old").exists() && !Path::new("/etc").exists());
            let mounts = mountinfo(&proc);
            let left: Vec<_> = mounts.iter().map(|mount| mount.id).collect();
            assert_eq!(left, [mount_id(root.as_fd()).unwrap()], "only the new root is left");
        });
    }
}

#[test]
fn pivot_into_a_mount_elsewhere_works_as_well() {
    let scratch = Scratch::new();
    in_child(|| {
        let proc = Proc::open().unwrap();
        own_namespace();
        let root = attached(&scratch);
        pivot_root(root.as_fd()).unwrap();
        assert_eq!(mountinfo(&proc).iter().count(), 1);
    });
}

#[test]
fn pivot_into_a_directory_that_is_no_mount_is_ebusy() {
    let scratch = Scratch::new();
    in_child(|| {
        own_namespace();
        assert_eq!(pivot_root(directory(scratch.path().to_str().unwrap()).as_fd()), Err(Errno::EBUSY));
    });
}

#[test]
fn a_moved_root_is_entered_and_hides_the_hosts_proc_and_sys() {
    let scratch = Scratch::new();
    for over_root in [true, false] {
        in_child(|| {
            let proc = Proc::open().unwrap();
            own_namespace();
            let old_root = directory("/");
            let root = if over_root { new_root() } else { attached(&scratch) };
            let kept = FsContext::open("proc").unwrap().mount(Attributes::default()).unwrap();
            if !over_root {
                nix::sys::stat::mkdirat(&root, "proc", Mode::S_IRWXU).unwrap();
            }
            let place = nix::fcntl::openat(&root, "proc", OFlag::O_PATH, Mode::empty()).unwrap();
            move_mount(kept.as_fd(), place.as_fd()).unwrap();
            move_root(root.as_fd(), &proc).unwrap();
            assert_eq!(super::super::process::raw_cwd().unwrap(), Path::new("/"));
            assert_eq!(fstat(directory("/")).unwrap().st_ino, fstat(&root).unwrap().st_ino);
            assert!(Proc::open().is_ok(), "the container's own proc stays");
            for name in ["proc", "sys"] {
                let below = nix::fcntl::openat(&old_root, name, OFlag::O_PATH, Mode::empty()).unwrap();
                assert_eq!(
                    mount_id(below.as_fd()),
                    mount_id(old_root.as_fd()),
                    "{name} is a bare directory now"
                );
            }
        });
    }
}

#[test]
fn chroot_enters_and_sets_the_cwd() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("marker")).unwrap();
    in_child(|| {
        chroot(directory(scratch.path().to_str().unwrap()).as_fd()).unwrap();
        assert_eq!(super::super::process::raw_cwd().unwrap(), Path::new("/"));
        assert!(Path::new("/marker").exists());
    });
}
