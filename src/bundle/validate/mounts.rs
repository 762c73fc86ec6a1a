//! `mounts` (config.md#mounts).

use std::fmt::Arguments;
use std::path::Path;

use oci_spec::runtime::{Mount, Spec};

use super::findings::{Findings, check_text};
use super::{Situation, host, user_namespace};
use crate::bundle::mount_options::{self, MountOptions};
use crate::bundle::{path, proc_mounts};

pub fn check(spec: &Spec, situation: Situation, findings: &mut Findings) {
    for (index, mount) in spec.mounts().iter().flatten().enumerate() {
        let at = format_args!("/mounts/{index}");
        let options = mount_options::parse(mount.options().as_deref().unwrap_or_default());
        check_texts(mount, at, findings);
        check_kind(mount, &options, at, findings);
        check_destination(mount, &options, at, findings);
        user_namespace::check_mount(spec, mount, &options, situation, at, findings);
    }
}

fn check_texts(mount: &Mount, at: Arguments, findings: &mut Findings) {
    check_text(&mount.destination().to_string_lossy(), format_args!("{at}/destination"), findings);
    if let Some(source) = mount.source() {
        check_text(&source.to_string_lossy(), format_args!("{at}/source"), findings);
    }
    check_text(mount.typ().as_deref().unwrap_or_default(), format_args!("{at}/type"), findings);
    for (index, option) in mount.options().iter().flatten().enumerate() {
        check_text(option, format_args!("{at}/options/{index}"), findings);
    }
}

/// What is mounted: a bind, a filesystem, or a change of what is there.
fn check_kind(mount: &Mount, options: &MountOptions, at: Arguments, findings: &mut Findings) {
    let kind = mount.typ().as_deref().unwrap_or_default();
    if options.bind.is_some() {
        return check_bind(mount, options, at, findings);
    }
    if options.copy_symlink || options.source_nofollow || options.target_nofollow {
        let text = "`copy-symlink`, `src-nofollow` and `dest-nofollow` are options of bind mounts";
        findings.add(format!("{at}/options"), text);
    }
    let changes = options.remount || !options.propagation.is_empty();
    match kind {
        // The kernel has no filesystem `bind`: it is the option that counts (config.md#linux-mount-options).
        "bind" => findings.add(at, "a mount of type \"bind\" needs the option bind or rbind"),
        "" | "none" if !changes => findings.add(format!("{at}/type"), "the mount has no filesystem type"),
        _ => {}
    }
}

fn check_bind(mount: &Mount, options: &MountOptions, at: Arguments, findings: &mut Findings) {
    if !options.data.is_empty() {
        // The kernel ignores them, and they cannot be set for one mount.
        let text = "invalid mount: bind mounts cannot have any filesystem-specific options applied";
        let text = format!(
            "{text}: {}",
            options.data.iter().map(|it| it.key.as_str()).collect::<Vec<_>>().join(" ")
        );
        findings.add(format!("{at}/options"), text);
    }
    if options.copy_symlink && (options.source_nofollow || options.target_nofollow) {
        let text = "`copy-symlink` is mutually exclusive with `src-nofollow` and `dest-nofollow`";
        findings.add(format!("{at}/options"), text);
    }
    let has_source = mount.source().as_ref().is_some_and(|source| !source.as_os_str().is_empty());
    if !has_source && !options.remount {
        findings.add(format!("{at}/source"), "a bind mount needs a source");
    }
}

fn check_destination(mount: &Mount, options: &MountOptions, at: Arguments, findings: &mut Findings) {
    let pointer = format_args!("{at}/destination");
    if mount.destination().as_os_str().is_empty() {
        return findings.add(pointer, "mount destination must not be empty");
    }
    let target = path::clean(mount.destination());
    if target == Path::new("/") {
        return findings.add(pointer, "mountpoint \"/\" is on the top of rootfs");
    }
    if let Some(refusal) = proc_mounts::refusal_inside(&target) {
        return findings.add(pointer, refusal);
    }
    if target == Path::new("/proc") && !is_proc(mount, options) {
        findings.add(pointer, proc_mounts::refusal_of_other_type(&target));
    }
}

/// A new procfs, or a bind of a real one. The source is looked at again when it is mounted: this is for the error in time.
fn is_proc(mount: &Mount, options: &MountOptions) -> bool {
    match options.bind {
        None => mount.typ().as_deref() == Some("proc"),
        Some(_) => mount
            .source()
            .as_ref()
            .is_some_and(|source| source.is_absolute() && host::is_procfs(source).unwrap_or(false)),
    }
}
