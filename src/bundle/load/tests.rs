use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory of this test's own, removed with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("trug-load-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
    fn with_config(content: impl AsRef<[u8]>) -> Self {
        let scratch = Self::new();
        fs::write(scratch.0.join(CONFIG), content).unwrap();
        scratch
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

const MINIMAL: &str = r#"{"ociVersion":"1.0.0","root":{"path":"rootfs"}}"#;

/// Bundle has no Debug: its error alone.
fn failure(directory: &Path) -> Error {
    match bundle(directory) {
        Ok(_) => panic!("the bundle loads"),
        Err(error) => error,
    }
}

#[test]
fn a_bundle_is_found_with_its_root_filesystem_behind_a_symlink() {
    let scratch = Scratch::with_config(MINIMAL);
    fs::create_dir(scratch.0.join("real")).unwrap();
    std::os::unix::fs::symlink("real", scratch.0.join("rootfs")).unwrap();
    let bundle = bundle(&scratch.0).unwrap();
    assert_eq!(bundle.directory, scratch.0.canonicalize().unwrap());
    assert_eq!(bundle.rootfs, bundle.directory.join("real"));
    assert_eq!(bundle.raw, MINIMAL.as_bytes());
}

#[test]
fn two_slashes_at_the_beginning_of_a_path_are_one() {
    let scratch = Scratch::with_config(MINIMAL);
    let doubled = |name: &str| format!("/{}", scratch.0.canonicalize().unwrap().join(name).display());
    fs::create_dir(scratch.0.join("real")).unwrap();
    std::os::unix::fs::symlink(doubled("real"), scratch.0.join("rootfs")).unwrap();
    let bundle = bundle(Path::new(&doubled(""))).unwrap();
    assert_eq!(bundle.directory.as_os_str(), scratch.0.canonicalize().unwrap().as_os_str());
    assert_eq!(bundle.rootfs.as_os_str(), bundle.directory.join("real").as_os_str());
}

#[test]
fn a_missing_config_is_named_as_runc_names_it() {
    let error = failure(&Scratch::new().0);
    assert_eq!(error.to_string(), "JSON specification file config.json not found");
    assert_eq!(error.kind(), Code::Bundle);
}

#[test]
fn a_root_filesystem_that_is_not_there_or_no_directory_is_refused_at_its_place() {
    let scratch = Scratch::with_config(MINIMAL);
    let error = failure(&scratch.0);
    assert_eq!(error.pointer(), Some("/root/path"));
    assert!(error.to_string().contains("invalid rootfs \"rootfs\": no such file or directory"), "{error}");

    fs::write(scratch.0.join("rootfs"), "").unwrap();
    assert!(failure(&scratch.0).to_string().contains("not a directory"));
}

#[test]
fn a_config_without_a_root_is_refused() {
    let error = failure(&Scratch::with_config(r#"{"ociVersion":"1.0.0"}"#).0);
    assert_eq!(error.to_string(), "root must be specified [config.json /root]");
}

#[test]
fn a_config_that_is_a_fifo_or_a_directory_is_refused_without_waiting() {
    let scratch = Scratch::new();
    nix::unistd::mkfifo(&scratch.0.join(CONFIG), nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(failure(&scratch.0).to_string().contains("is not a regular file"));
    let scratch = Scratch::new();
    fs::create_dir(scratch.0.join(CONFIG)).unwrap();
    assert!(failure(&scratch.0).to_string().contains("is not a regular file"));
}

#[test]
fn a_config_above_the_limit_is_refused() {
    let scratch = Scratch::new();
    let file = File::create(scratch.0.join(CONFIG)).unwrap();
    file.set_len(LIMIT + 1).unwrap();
    assert!(failure(&scratch.0).to_string().contains("is larger than 64 MiB"));
}

#[test]
fn deep_nesting_ends_in_an_error() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for config in [deep.clone(), format!(r#"{{"mounts":{deep}}}"#), format!(r#"{{"x":{deep},"mounts":1}}"#)] {
        let error = parse(config.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("recursion limit exceeded"), "{error}");
    }
}

#[test]
fn an_error_names_the_place() {
    let cases = [
        (
            r#"{"process":{"cwd":"/","rlimits":[{"type":"RLIMIT_FOO"}]}}"#,
            "/process/rlimits/0/type",
            "RLIMIT_FOO",
        ),
        (r#"{"mounts":[{"destination":"/a"},{"destination":1}]}"#, "/mounts/1/destination", "invalid type"),
        (
            r#"{"linux":{"namespaces":[{"type":"pluto"}]}}"#,
            "/linux/namespaces/0/type",
            "unknown variant `pluto`",
        ),
        (r#"{"linux":{"sysctl":{"a/b":1}}}"#, "/linux/sysctl/a~1b", "invalid type"),
        (r#"{"process":{"ioPriority":{"priority":1}}}"#, "/process/ioPriority/class", "unknown variant"),
        (r#"{"hooks":{"prestart":[{"args":[]}]}}"#, "/hooks/prestart/0", "missing field `path`"),
        (r#"{"process":{"user":{"uid":4294967296}}}"#, "/process/user/uid", "expected u32"),
        (r#"{"process":{"user":{"uid":-1}}}"#, "/process/user/uid", "expected u32"),
    ];
    for (config, place, words) in cases {
        let error = parse(config.as_bytes()).unwrap_err();
        assert_eq!(error.pointer(), Some(place), "{config}: {error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.kind(), Code::InvalidConfig);
    }
}

#[test]
fn broken_json_names_line_and_column() {
    for raw in ["", "{", "{\"a\":}", "\u{0}", "{}{}"] {
        let error = parse(raw.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("line 1 column"), "{raw:?}: {error}");
    }
    assert!(parse(b"\xff\xfe").is_err());
    assert_eq!(parse(b"null").unwrap_err().to_string(), "parse config.json: config cannot be null");
}

#[test]
fn unknown_properties_are_ignored() {
    let config = r#"{"ociVersion":"1.3.0","future":{"x":[1]},"process":{"cwd":"/","user":{},"y":null}}"#;
    assert!(parse(config.as_bytes()).unwrap().process().is_some());
}

#[test]
fn unknown_capabilities_are_dropped_with_a_warning() {
    let mut config = serde_json::json!({"process": {"cwd": "/", "capabilities": {
        "bounding": ["CAP_UNKNOWN", "CAP_KILL", "UNKNOWN_CAP"], "effective": ["UNKNOWN_CAP"], "ambient": null}}});
    let warnings = mend::config(&mut config);
    assert_eq!(warnings, ["ignoring unknown or unavailable capabilities: [CAP_UNKNOWN UNKNOWN_CAP]"]);
    let spec = parse(config.to_string().as_bytes()).unwrap();
    let sets = spec.process().as_ref().unwrap().capabilities().clone().unwrap();
    assert_eq!(sets.bounding().as_ref().unwrap().len(), 1);
    assert_eq!(sets.effective().as_ref().unwrap().len(), 0);
    assert_eq!(*sets.ambient(), None);
}

#[test]
fn what_go_takes_for_absent_is_absent() {
    let accepted = [
        r#"{"process":{"args":["x"],"cwd":"/"}}"#,
        r#"{"process":{"args":null,"cwd":null,"user":null,"env":null}}"#,
        r#"{"linux":{"resources":{"devices":[{"allow":false,"type":"","access":"rwm"}]}}}"#,
        r#"{"linux":{"resources":{"pids":{"limit":null}}}}"#,
        r#"{"linux":{"seccomp":{"defaultAction":""}}}"#,
        r#"{"linux":{"seccomp":{}}}"#,
        r#"{"process":{"cwd":"/","execCPUAffinity":{"initial":"","final":" 1, 3-4,"}}}"#,
        r#"{"process":{"cwd":"/","scheduler":{"policy":"SCHED_DEADLINE","flags":[
            "SCHED_FLAG_RESET_ON_FORK","SCHED_FLAG_RECLAIM","SCHED_FLAG_DL_OVERRUN","SCHED_FLAG_KEEP_POLICY",
            "SCHED_FLAG_KEEP_PARAMS","SCHED_FLAG_UTIL_CLAMP_MIN","SCHED_FLAG_UTIL_CLAMP_MAX"]}}}"#,
        r#"{"windows":7,"vm":[],"uidMappings":"x"}"#,
        r#"{"hostname":"a","hostname":"b"}"#,
    ];
    for config in accepted {
        if let Err(error) = parse(config.as_bytes()) {
            panic!("{config}: {error}");
        }
    }
    let spec = parse(br#"{"linux":{"seccomp":{},"resources":{"pids":{}}}}"#).unwrap();
    let linux = spec.linux().clone().unwrap();
    assert_eq!(*linux.seccomp(), None);
    assert_eq!(*linux.resources().clone().unwrap().pids(), None);
    let spec = parse(br#"{"linux":{"resources":{"pids":{"limit":0}}}}"#).unwrap();
    let pids = spec.linux().clone().unwrap().resources().clone().unwrap().pids().unwrap();
    assert_eq!(pids.limit(), 0);
}

#[test]
fn a_process_file_needs_only_what_runc_needs_and_may_be_a_pipe() {
    let process =
        parse_process(br#"{"args":["id"],"cwd":"/","ioPriority":{"class":"IOPRIO_CLASS_IDLE"}}"#).unwrap();
    assert_eq!(process.user().uid(), 0);
    let error = parse_process(br#"{"args":"id","cwd":"/"}"#).unwrap_err();
    assert!(error.to_string().contains("invalid type"), "{error}");
    assert!(error.to_string().ends_with("[/args]"), "a process file is not config.json: {error}");

    let scratch = Scratch::new();
    let fifo = scratch.0.join("process");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::write(fifo, r#"{"args":["id"],"cwd":"/"}"#).unwrap()
    });
    assert_eq!(super::process(&fifo).unwrap().args().as_deref(), Some(&["id".to_string()][..]));
    writer.join().unwrap();
}

#[test]
fn names_in_any_letter_case_mean_what_they_mean_to_runc() {
    let config = r#"{"OCIVersion": "1.0.0", "root": {"Path": "rootfs"}, "process": {"CWD": "/", "user": {"UID": 7}},
        "linux": {"resources": {"Memory": {"Limit": 5}, "unified": {"Memory.max": "1"}},
                  "sysctl": {"Kernel.x": "1"}}}"#;
    let spec = serde_json::to_value(parse(config.as_bytes()).unwrap()).unwrap();
    assert_eq!(spec["process"]["user"]["uid"], 7);
    assert_eq!(spec["linux"]["resources"]["memory"]["limit"], 5);
    assert_eq!(spec["linux"]["resources"]["unified"]["Memory.max"], "1");
    assert_eq!(spec["linux"]["sysctl"]["Kernel.x"], "1");
    let process = parse_process(br#"{"cwd": "/", "args": ["x"], "Terminal": true}"#).unwrap();
    assert_eq!(process.terminal(), Some(true));
}
