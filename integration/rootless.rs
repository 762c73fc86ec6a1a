//! Containers of an ordinary user: their ids, their cgroups, where they are kept, and what is said where the host does
//! not let users have them.
//!
//! The user is nobody on this machine: passwd, subuid and subgid are bound over the machine's own in a mount namespace of
//! each command.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::config::Config;
use crate::support::invocation::runtime;
use crate::support::{Container, Invocation, Outcome, Output, cgroup, is_peer, program, skip, strace};

const USER: u32 = 47_110;
/// The first of 65536 ids that the user may map, by /etc/subuid and /etc/subgid.
const FIRST: u32 = 5_000_000;

/// An ordinary user with a runtime, a bundle and a state directory.
struct User {
    container: Container,
    environment: Vec<(&'static str, String)>,
}

impl User {
    fn with(change: impl FnOnce(&mut Config)) -> anyhow::Result<Self> {
        let container = Container::with(|config| change(own_id(config)))?;
        let home = container.path("");
        program::copy(&runtime(), &home.join("trug"))?;
        fs::create_dir(home.join("etc"))?;
        let extended = |name: &str, line: String| -> anyhow::Result<()> {
            let text = fs::read_to_string(Path::new("/etc").join(name))?;
            Ok(fs::write(home.join("etc").join(name), text + &line)?)
        };
        extended("passwd", format!("testuser:x:{USER}:{USER}::/:/bin/sh\n"))?;
        for name in ["subuid", "subgid"] {
            fs::write(home.join("etc").join(name), format!("testuser:{FIRST}:65536\n"))?;
        }
        let user = Self { container, environment: Vec::new() };
        user.own(&home)?;
        Ok(user)
    }

    /// Gives a tree to the user.
    fn own(&self, path: &Path) -> anyhow::Result<()> {
        Invocation::new(["chown", "-Rh", &format!("{USER}:{USER}")]).arg(path).output()?.ok();
        Ok(())
    }

    /// The runtime with the user's own root directory.
    fn trug(&self, words: &[&str]) -> Invocation {
        let root = self.container.path("users").to_string_lossy().into_owned();
        self.bare([&["--root", root.as_str()], words].concat().as_slice())
    }

    /// The runtime as it is.
    fn bare(&self, words: &[&str]) -> Invocation {
        let own = self.container.path("trug");
        let invocation = words.iter().fold(Invocation::new([own.as_os_str()]), |it, word| it.arg(word));
        self.dressed(invocation.from(self.container.bundle()))
    }

    fn dressed(&self, invocation: Invocation) -> Invocation {
        let etc = self.container.path("etc");
        let binds = ["passwd", "subuid", "subgid"]
            .map(|name| format!("mount --bind {}/{name} /etc/{name}", etc.display()))
            .join("; ");
        let id = USER.to_string();
        let invocation = self.environment.iter().fold(invocation, |it, (key, value)| it.env(key, value));
        invocation
            .under(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"])
            .after(&binds)
            .under(["unshare", "--mount"])
    }

    fn run(&self) -> anyhow::Result<Output> {
        self.trug(&["run", &self.container.id]).output()
    }

    fn detach(&self) -> Outcome {
        self.trug(&["run", "--detach", &self.container.id]).output()?.ok();
        Ok(())
    }

    fn exec(&self, script: &str) -> anyhow::Result<Output> {
        self.trug(&["exec", &self.container.id, "sh", "-euc", script]).output()
    }

    fn delete(&self) -> Outcome {
        self.trug(&["delete", "--force", &self.container.id]).output()?.ok();
        Ok(())
    }
}

/// Root of the container is the user, and nobody else is anybody.
fn own_id(config: &mut Config) -> &mut Config {
    let map = json!([{"containerID": 0, "hostID": USER, "size": 1}]);
    config.user_namespace(map).namespace("cgroup");
    config["linux"]["cgroupsPath"] = Value::Null;
    config.mount_options("/dev/pts", &["newinstance", "ptmxmode=0666", "mode=0620"])
}

/// And the ids from 1 on are of the user's ranges.
fn ranges(config: &mut Config, count: u32) {
    let map = json!([{"containerID": 0, "hostID": USER, "size": 1},
                     {"containerID": 1, "hostID": FIRST, "size": count}]);
    config.user_namespace(map);
}

/// Why no test here can run, if so.
fn refusal() -> Option<&'static str> {
    is_peer().then_some("a peer has its own words and a home of its own")
}

#[test]
fn an_ordinary_user_runs_a_container_and_enters_it() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let user = User::with(|_| {})?;
    user.detach()?;
    user.exec("id -u; id -g; cat /proc/self/setgroups")?.prints("0\n0\ndeny");
    user.exec("echo x > /tmp/file; stat -c '%u %g' /tmp/file /dev/pts")?.prints("0 0\n0 0");
    let made = fs::metadata(user.container.rootfs().join("tmp/file"))?;
    assert_eq!((made.uid(), made.gid()), (USER, USER));
    user.trug(&["state", &user.container.id]).output()?.says("\"running\"");
    user.trug(&["kill", &user.container.id, "KILL"]).output()?.ok();
    user.delete()
}

#[test]
fn a_container_that_is_only_created_can_be_entered_and_shows_nothing_of_its_caller() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    for change in [&(|_: &mut Config| {}) as &dyn Fn(&mut Config), &|config| ranges(config, 10)] {
        let mut user = User::with(change)?;
        user.environment.push(("SECRET", "of-the-caller".to_owned()));
        user.trug(&["create", &user.container.id]).output()?.ok();
        let seen = user.exec("cat /proc/1/environ | tr '\\0' ' '; cat /proc/1/cmdline | wc -c")?;
        assert!(!seen.ok().stdout().contains("SECRET"), "{seen}");
        user.trug(&["start", &user.container.id]).output()?.ok();
        user.exec("tr '\\0' '\\n' < /proc/1/environ")?.says("PATH=");
        user.delete()?;
    }
    Ok(())
}

#[test]
fn a_process_that_others_may_look_into_holds_nothing_of_the_host() -> Outcome {
    if let Some(reason) = refusal().or_else(strace::lacking) {
        return skip(reason);
    }
    let user = User::with(|config| {
        config.args(&["true"]);
    })?;
    let log = user.container.path("strace");
    let calls = "trace=prctl,close_range,openat,openat2,open_tree,fsopen,memfd_create,socket";
    user.trug(&["run", &user.container.id])
        .under(["strace", "-f", "-o", &log.to_string_lossy(), "-e", calls])
        .output()?
        .ok();
    let text = fs::read_to_string(log)?;
    let (before, _) = text.rsplit_once("prctl(PR_SET_DUMPABLE, SUID_DUMP_USER)").expect("init is dumpable");
    let init = before.lines().next_back().unwrap_or_default().trim();
    let mine: Vec<&str> = before.lines().filter(|line| line.split(' ').next() == Some(init)).collect();
    let closed =
        mine.iter().rposition(|line| line.contains("close_range(")).expect("descriptors are closed first");
    // The last line is the beginning of the call itself.
    assert_eq!(mine[closed + 1..mine.len() - 1], [""; 0], "something is opened after all was closed");
    assert!(
        mine[..closed].iter().any(|line| line.contains("open")),
        "init is whose calls are looked at: {init}"
    );
    Ok(())
}

#[test]
fn the_ids_of_the_users_ranges_are_the_containers() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let user = User::with(|config| {
        ranges(config, 1000);
        config.user(7, 8).capabilities(&["CAP_CHOWN"]);
        config["process"]["user"]["additionalGids"] = json!([9]);
        config.mount_options("/dev/pts", &["newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]);
    })?;
    user.detach()?;
    user.exec("id -u; id -G; cat /proc/self/setgroups")?.prints("7\n8 9\nallow");
    user.exec("awk '{print $1,$2,$3}' /proc/self/uid_map")?.prints(&format!("0 {USER} 1\n1 {FIRST} 1000"));
    user.exec("touch /tmp/file")?.ok();
    let made = fs::metadata(user.container.rootfs().join("tmp/file"))?;
    assert_eq!((made.uid(), made.gid()), (FIRST + 6, FIRST + 7));
    let as_root = user.trug(&["exec", "--user", "0", &user.container.id, "chown", "100:200", "/tmp/file"]);
    as_root.output()?.ok();
    let given = fs::metadata(user.container.rootfs().join("tmp/file"))?;
    assert_eq!((given.uid(), given.gid()), (FIRST + 99, FIRST + 199));
    user.delete()
}

#[test]
fn ids_that_are_not_the_users_are_refused_and_it_is_said_where_they_come_from() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let user = User::with(|config| ranges(config, 65_537))?;
    let refused = user.run()?;
    refused.fails(1, "write gid_map: newgidmap exited with status 1");
    refused.fails(1, "/etc/subgid must give your user every host id of the map");
    refused.fails(1, "[config.json /linux/gidMappings]");
    let user = User::with(|config| {
        let map = json!([{"containerID": 0, "hostID": USER + 1, "size": 1}]);
        config["linux"]["uidMappings"] = map;
    })?;
    user.run()?.fails(1, "/etc/subuid must give your user every host id of the map");
    Ok(())
}

#[test]
fn without_newuidmap_it_is_said_what_to_install() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let mut user = User::with(|config| ranges(config, 10))?;
    user.environment.push(("PATH", "/nowhere:bin".to_owned()));
    let set_up = "export PATH=/nowhere:bin";
    let own = user.container.path("trug");
    let root = user.container.path("users");
    let words = ["--root", &root.to_string_lossy(), "run", &user.container.id].map(str::to_owned);
    let invocation = words.iter().fold(Invocation::new([own.as_os_str()]), |it, word| it.arg(word));
    user.environment.clear();
    let refused = user.dressed(invocation.after(set_up).from(user.container.bundle())).output()?;
    refused.fails(1, "takes newgidmap, which is not on PATH: install it (package uidmap or shadow-utils)");
    Ok(())
}

#[test]
fn additional_groups_need_ids_of_ones_own() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let groups = |gid: u32| User::with(|config| config["process"]["user"]["additionalGids"] = json!([gid]));
    groups(5)?.run()?.fails(1, "no group mapping found for gid 5");
    groups(0)?.run()?.fails(1, "cannot set any additional groups in a rootless container");
    Ok(())
}

#[test]
fn the_rootless_spec_runs_as_it_is() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let user = User::with(|_| {})?;
    fs::remove_file(user.container.bundle().join("config.json"))?;
    user.trug(&["spec", "--rootless"]).output()?.ok();
    user.container.edit(|config| {
        config["process"]["terminal"] = json!(false);
        config.shell("id -u; grep -c ' /sys ' /proc/mounts");
    })?;
    user.run()?.prints("0\n1");
    Ok(())
}

#[test]
fn limits_without_a_cgroup_are_refused_and_no_limits_need_none() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let user = User::with(|config| {
        config.shell("true");
    })?;
    user.run()?.ok();
    user.container.edit(|config| config["linux"]["resources"]["pids"] = json!({"limit": 10}))?;
    let refused = user.run()?;
    refused.fails(1, "cannot set pids limit: container could not join or create cgroup");
    refused.fails(1, "/linux/resources/pids");
    refused.fails(1, "use cgroup delegation");
    let disabled = user.trug(&["--cgroup-manager", "disabled", "run", &user.container.id]).output()?;
    disabled.fails(1, "cgroups are disabled");
    Ok(())
}

#[test]
fn a_cgroup_that_is_named_must_be_in_reach() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let user = User::with(|config| config["linux"]["cgroupsPath"] = json!("/trug-it-out-of-reach"))?;
    user.run()?.fails(1, "unable to apply cgroup configuration: make cgroup").fails(1, "permission denied");
    Ok(())
}

/// A cgroup that the user may divide, one in each v1 hierarchy with a controller, and gone with the test.
struct Delegated(String);

impl Delegated {
    fn new(container: &Container) -> anyhow::Result<Self> {
        let delegated = Self(format!("{}-delegated", container.cgroup));
        for directory in delegated.directories()? {
            fs::create_dir(&directory)?;
            for file in ["cpuset.cpus", "cpuset.mems"].iter().filter(|file| directory.join(file).exists()) {
                let inherited = fs::read_to_string(directory.join("..").join(file))?;
                fs::write(directory.join(file), inherited)?;
            }
            for name in ["", "cgroup.procs", "tasks"] {
                chown(directory.join(name), Some(USER), Some(USER))?;
            }
        }
        Ok(delegated)
    }

    fn directories(&self) -> anyhow::Result<Vec<PathBuf>> {
        let controllers = cgroup::hierarchies()?
            .into_iter()
            .filter(|path| !path.ends_with("unified") && !path.ends_with("systemd"));
        Ok(controllers.map(|root| root.join(self.0.trim_start_matches('/'))).collect())
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        for directory in self.directories().into_iter().flatten() {
            drop(fs::remove_dir(directory));
        }
    }
}

#[test]
fn limits_are_set_in_a_cgroup_that_is_delegated() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    if let Some(reason) = cgroup::lacks_v1(&["pids", "devices", "freezer"]) {
        return skip(&reason);
    }
    let user = User::with(|config| config["linux"]["resources"]["pids"] = json!({"limit": 17}))?;
    let delegated = Delegated::new(&user.container)?;
    let own = format!("{}/own", delegated.0);
    user.container.edit(|config| config["linux"]["cgroupsPath"] = json!(own))?;
    // The trees without controllers are the machine's: the container is in no cgroup of theirs.
    user.detach()?;
    assert_eq!(cgroup::value("pids", &own, "pids.max")?, "17");
    user.exec("true")?.ok();
    user.trug(&["update", "--pids-limit", "18", &user.container.id]).output()?.ok();
    assert_eq!(cgroup::value("pids", &own, "pids.max")?, "18");
    user.trug(&["pause", &user.container.id]).output()?.ok();
    user.trug(&["state", &user.container.id]).output()?.says("\"paused\"");
    user.trug(&["resume", &user.container.id]).output()?.ok();
    user.trug(&["ps", "--format", "json", &user.container.id]).output()?.ok();
    user.delete()?;
    assert_eq!(cgroup::directories(&own)?, Vec::<PathBuf>::new());
    Ok(())
}

#[test]
fn who_is_rootless_can_be_said() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let user = User::with(|config| {
        config.shell("true");
    })?;
    let with =
        |rootless: &str| user.trug(&[&format!("--rootless={rootless}"), "run", &user.container.id]).output();
    for yes in ["auto", "true"] {
        with(yes)?.ok();
    }
    with("false")?.fails(1, "make cgroup");
    with("perhaps")?.refused();
    // Root that says it is not still has its cgroups.
    let root = Container::with(|config| {
        config.shell("grep -c trug-it /proc/self/cgroup");
        config["linux"]["resources"]["pids"] = json!({"limit": 10});
    })?;
    let output = root.runtime(["--rootless=true", "run", &root.id]).output()?;
    assert_ne!(output.ok().stdout(), "0");
    Ok(())
}

#[test]
fn containers_are_kept_in_the_runtime_directory_of_the_user() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let mut user = User::with(|config| {
        config.shell("true");
    })?;
    let id = user.container.id.clone();
    // Without one there is no place that a user may write in.
    let refused = user.bare(&["run", &id]).output()?;
    refused.fails(1, "root directory \\\"/run/trug\\\": permission denied");
    refused.fails(1, "set XDG_RUNTIME_DIR to a directory of your own, or give one with --root");
    let directory = user.container.path("runtime");
    fs::create_dir(&directory)?;
    user.own(&directory)?;
    user.environment.push(("XDG_RUNTIME_DIR", directory.to_string_lossy().into_owned()));
    user.bare(&["run", &id]).output()?.ok();
    // The sticky bit keeps it from being pruned.
    assert_eq!(fs::metadata(directory.join("trug"))?.permissions().mode() & 0o7777, 0o1700);
    // A relative one counts from where the command is called: trug itself goes elsewhere on its way.
    user.environment.push(("XDG_RUNTIME_DIR", "runtime".to_owned()));
    let bundle = user.container.bundle();
    let words = ["run", "--bundle", &bundle.to_string_lossy(), &id];
    user.bare(&words).from(user.container.path(".")).output()?.ok();
    assert!(!bundle.join("runtime").exists());
    user.environment.push(("XDG_RUNTIME_DIR", "/nowhere/at/all".to_owned()));
    let refused = user.bare(&["run", &id]).output()?;
    refused.fails(1, "$XDG_RUNTIME_DIR must be a directory that the user can write in");
    Ok(())
}

#[test]
fn user_namespaces_that_are_switched_off_are_explained() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let user = User::with(|config| {
        config.user_namespace(json!([{"containerID": 0, "hostID": 0, "size": 1}]));
    })?;
    // The switch is each user namespace's own: the machine's stays as it is.
    let root = user.container.path("users").to_string_lossy().into_owned();
    let own = user.container.path("trug");
    let run = ["--root", &root, "run", &user.container.id];
    let invocation = run.iter().fold(Invocation::new([own.as_os_str()]), |it, word| it.arg(word));
    let off = invocation
        .from(user.container.bundle())
        .after("echo 0 > /proc/sys/user/max_user_namespaces")
        .under(["unshare", "--user", "--map-root-user"]);
    let refused = user.dressed(off).output()?;
    refused.fails(1, "user namespaces are switched off: sysctl user.max_user_namespaces is 0");
    Ok(())
}

#[test]
fn a_users_systemd_that_is_not_there_is_named() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let user = User::with(|config| config["linux"]["cgroupsPath"] = json!("user.slice:trug:x"))?;
    for flags in [&["--systemd-cgroup"][..], &["--cgroup-manager", "systemd"]] {
        let refused = user.trug(&[flags, &["run", &user.container.id]].concat()).output()?;
        refused.fails(1, "systemd");
    }
    Ok(())
}

#[test]
fn what_only_root_may_ask_for_is_refused_at_once() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    let user = User::with(|config| {
        config["linux"]["netDevices"] = json!({"eth0": {}});
    })?;
    user.run()?.fails(1, "network devices are not supported for rootless containers");
    let user = User::with(|config| {
        config.without_namespace("user");
        config["linux"]["uidMappings"] = json!([]);
        config["linux"]["gidMappings"] = json!([]);
    })?;
    user.run()?.fails(1, "rootless container requires user namespaces");
    Ok(())
}

#[test]
fn a_filter_that_comes_before_the_change_of_user_is_borne() -> Outcome {
    if let Some(reason) = refusal() {
        return skip(reason);
    }
    // Without no_new_privs it is loaded early, and setgroups is refused to this user after that.
    let user = User::with(|config| {
        config["process"]["noNewPrivileges"] = json!(false);
        config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 100}]});
        config.shell("mkdir /tmp/x 2>&1 || true");
    })?;
    user.run()?.says("Network is down");
    Ok(())
}
