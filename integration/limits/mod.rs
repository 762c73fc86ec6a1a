//! Every field of `linux.resources` (runtime-spec 1.3, config-linux.md#control-groups): once a container has it, the
//! kernel's own files say so; or it is refused by its name, and nothing is left.
//!
//! One table for all layouts (`fields`): v1, hybrid, v2 bound over a hybrid, and v2 alone, with both drivers.

mod disk;
mod fields;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use self::disk::Disk;
use self::fields::{Field, Seen};
use crate::support::cgroup::{self, Layout};
use crate::support::container::{Driver, driver};
use crate::support::{Container, Invocation, Outcome, is_peer, skip};

/// Where a field is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    /// This machine as it is.
    Machine,
    /// Its v2 tree alone.
    V2Bound,
}

impl On {
    /// The directory of a container's cgroup that has a file of this controller (v1's name), if any; and whether it is
    /// of v2.
    fn directory(self, controller: &str, cgroup: &str) -> Option<(PathBuf, bool)> {
        let cgroup = cgroup.trim_start_matches('/');
        let v1 = Path::new("/sys/fs/cgroup").join(controller);
        let unified = match cgroup::layout() {
            Layout::Unified => Path::new("/sys/fs/cgroup").to_path_buf(),
            Layout::Hybrid => "/sys/fs/cgroup/unified".into(),
            Layout::Legacy => return Some((v1.join(cgroup), false)),
        };
        if self == Self::Machine && cgroup::layout() == Layout::Hybrid && v1.join("cgroup.procs").exists() {
            return Some((v1.join(cgroup), false));
        }
        let name = if controller == "blkio" { "io" } else { controller };
        let available = fs::read_to_string(unified.join("cgroup.controllers")).unwrap_or_default();
        let has = available.split_whitespace().any(|known| known == name);
        has.then(|| (unified.join(cgroup), true))
    }

    fn is_v2_alone(self) -> bool {
        self == Self::V2Bound || cgroup::layout() == Layout::Unified
    }
}

const NOT_AVAILABLE: &[&str] = &["not available"];

/// Looks at each of these fields in a container of its own.
fn seen(on: On, fields: &[Field]) -> Outcome {
    let mut running = Vec::new();
    for field in fields {
        running.extend(begin(on, field)?.map(|container| (container, field)));
    }
    if driver() == Driver::Systemd && !running.is_empty() {
        // It reads everything anew, and may set it anew.
        Invocation::new(["systemctl", "daemon-reload"]).output()?.ok();
        for (container, field) in &running {
            let Seen::Reads(mut lines) = expected(on, field) else { continue };
            // Without a quota a period says nothing, and systemd sets its own.
            lines.retain(|(file, line)| *file != "cpu.max" || !line.starts_with("max "));
            check(on, container, field, &lines, "after daemon-reload")?;
        }
    }
    Ok(())
}

/// The container with this field, where it is not refused.
fn begin(on: On, field: &Field) -> anyhow::Result<Option<Container>> {
    let container = Container::with(|config| {
        for (key, value) in field.resources.as_object().into_iter().flatten() {
            config["linux"]["resources"][key] = value.clone();
        }
    })?;
    let container = if on == On::V2Bound { container.on_unified() } else { container };
    let output = container.create()?;
    let text = output.stderr();
    let Field { name, resources, .. } = field;
    let refused = |words: &[&str]| -> Outcome {
        assert_eq!(output.status(), 1, "{resources}: {output}");
        // Where the controller is missing, the group's first field is told.
        let missing = words == NOT_AVAILABLE;
        let pointer = if missing { name.split('/').next().unwrap_or(name) } else { name };
        for word in words.iter().copied().chain([pointer]) {
            assert!(text.contains(word), "{resources}: {output} without {word:?}");
        }
        assert_eq!(container.leftovers()?, Vec::<String>::new(), "{resources}");
        Ok(())
    };
    match expected(on, field) {
        Seen::Refused(words) | Seen::Lacking(words) => refused(words)?,
        Seen::Reads(lines) if output.status() != 0 && kernel_lacks(on, field, &container, &lines)? => {
            refused(&["has no such file", field.controller(), lines[0].0])?;
            skip(&format!("this kernel has no {}", lines[0].0))?;
        }
        Seen::Reads(lines) => {
            output.ok();
            check(on, &container, field, &lines, "after create")?;
            return Ok(Some(container));
        }
    }
    Ok(None)
}

/// What comes of a field where its controller may be missing.
fn expected(on: On, field: &Field) -> Seen {
    if field.name == "unified" {
        return if on.is_v2_alone() { field.v2.clone() } else { field.v1.clone() };
    }
    let lacking = on.is_v2_alone() && matches!(field.v2, Seen::Lacking(_));
    match on.directory(field.controller(), "/") {
        _ if lacking => field.v2.clone(),
        Some((_, true)) => field.v2.clone(),
        Some((_, false)) => field.v1.clone(),
        None if on.is_v2_alone() => Seen::Refused(NOT_AVAILABLE),
        None => Seen::Refused(&["no mounted hierarchy has controller"]),
    }
}

/// Whether a new cgroup of this controller is without the first of these files.
fn kernel_lacks(
    on: On,
    field: &Field,
    container: &Container,
    lines: &[(&str, String)],
) -> anyhow::Result<bool> {
    let Some((probe, _)) = on.directory(field.controller(), &format!("{}-probe", container.id)) else {
        return Ok(false);
    };
    fs::create_dir(&probe)?;
    let lacks = !probe.join(lines[0].0).exists();
    fs::remove_dir(&probe)?;
    Ok(lacks)
}

fn check(on: On, container: &Container, field: &Field, lines: &[(&str, String)], when: &str) -> Outcome {
    let resources = &field.resources;
    for (file, line) in lines {
        let controller = file.split('.').next().unwrap_or_default();
        let controller = if controller == "io" { "blkio" } else { controller };
        let (directory, _) = on.directory(controller, &container.cgroup).context("its controller")?;
        let path = directory.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("{resources}: read {path:?}"))?;
        let found = text.lines().any(|known| known.trim() == line);
        assert!(found, "{resources}: {file} {when}: {text:?} without {line:?}");
    }
    Ok(())
}

macro_rules! tables {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() -> Outcome {
            if is_peer() {
                return skip("a peer has its own words");
            }
            seen(On::Machine, &fields::$name())
        }
    )* };
}

tables!(memory cpu cpuset pids huge_pages network rdma unified);

#[test]
fn block_io() -> Outcome {
    if is_peer() {
        return skip("a peer has its own words");
    }
    match Disk::make()? {
        Some(disk) => seen(On::Machine, &fields::block_io(&disk)),
        None => skip("no loop device can be had"),
    }
}

/// Where the other controllers are v1's, those are refused by name.
#[test]
fn on_the_v2_tree_of_a_hybrid() -> Outcome {
    if is_peer() || cgroup::layout() != Layout::Hybrid {
        return skip("this machine is no hybrid of v1 and v2, or the runtime a peer");
    }
    tables_without_a_disk().iter().try_for_each(|table| seen(On::V2Bound, table))
}

fn tables_without_a_disk() -> Vec<Vec<Field>> {
    vec![
        fields::memory(),
        fields::cpu(),
        fields::cpuset(),
        fields::pids(),
        fields::huge_pages(),
        fields::network(),
        fields::rdma(),
    ]
}

/// The table is held against the specification's schema.
#[test]
fn no_field_of_the_specification_is_forgotten() -> Outcome {
    let debians = "/usr/share/gocode/src/github.com/opencontainers/runtime-spec";
    let specification = std::env::var("OCI_RUNTIME_SPEC").unwrap_or_else(|_| debians.into());
    let Ok(text) = fs::read_to_string(Path::new(&specification).join("schema/config-linux.json")) else {
        return skip("the specification's schema is not here");
    };
    let schema: Value = serde_json::from_str(&text)?;
    let groups = schema.pointer("/linux/properties/resources/properties").context("linux.resources")?;
    let mut names = Vec::new();
    for (group, content) in groups.as_object().context("an object")? {
        match content["properties"].as_object() {
            Some(fields) => names.extend(fields.keys().map(|field| format!("{group}/{field}"))),
            None => names.push(group.clone()),
        }
    }
    // Whose test opens devices.
    names.retain(|name| name != "devices");
    assert!(names.len() > 25, "{names:?}");
    let disk = Disk::make()?;
    let mut tables = tables_without_a_disk();
    tables.push(fields::unified());
    tables.extend(disk.as_ref().map(fields::block_io));
    let known: Vec<&str> = tables.iter().flatten().map(|field| field.name).collect();
    names.retain(|name| !known.contains(&name.as_str()));
    names.retain(|name| disk.is_some() || !name.starts_with("blockIO/"));
    assert_eq!(names, Vec::<String>::new());
    Ok(())
}
