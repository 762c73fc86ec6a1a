//! A root filesystem of busybox, each test's its own: a hostile test may spoil every file of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use super::program;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
                      daemon:x:1:1:daemon:/usr/sbin:/bin/false\n\
                      tempuser:x:2000:2000:tempuser:/home/tempuser:/bin/sh\n\
                      nobody:x:65534:65534:nobody:/home:/bin/false\n";
const GROUP: &str = "root:x:0:\ndaemon:x:1:\ntty:x:5:\nusers:x:100:\nnogroup:x:65534:\n";

/// Fills `root` (made here).
pub fn fill(root: &Path) -> Result<()> {
    for directory in ["bin", "dev", "etc", "home", "mnt", "proc", "root", "sys", "tmp", "usr/bin", "var"] {
        fs::create_dir_all(root.join(directory))?;
    }
    fs::set_permissions(root, Permissions::from_mode(0o755))?;
    fs::set_permissions(root.join("tmp"), Permissions::from_mode(0o1777))?;
    fs::write(root.join("etc/passwd"), PASSWD)?;
    fs::write(root.join("etc/group"), GROUP)?;
    program::copy(Path::new("/bin/busybox"), &root.join("bin/busybox"))?;
    for applet in applets()?.iter().filter(|applet| *applet != "busybox") {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    Ok(())
}

/// The names that this busybox answers to.
fn applets() -> Result<&'static [String]> {
    static APPLETS: OnceLock<Vec<String>> = OnceLock::new();
    if let Some(applets) = APPLETS.get() {
        return Ok(applets);
    }
    let list =
        Command::new("/bin/busybox").arg("--list").output().context("the tests need busybox-static")?;
    ensure!(list.status.success(), "busybox --list failed");
    let names = String::from_utf8(list.stdout)?.lines().map(str::to_string).collect();
    Ok(APPLETS.get_or_init(|| names))
}
