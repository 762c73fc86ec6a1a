//! The messages of CRIU's service (criu.org/RPC), those parts of them that are used here. Tags are CRIU's.

use prost::{Enumeration, Message};

/// What is asked of it. Others are not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum Kind {
    Empty = 0,
    Dump = 1,
    Restore = 2,
    PreDump = 4,
    Notify = 6,
    FeatureCheck = 9,
    Version = 10,
}

#[derive(Clone, PartialEq, Message)]
pub struct Request {
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub kind: i32,
    #[prost(message, optional, tag = "2")]
    pub options: Option<Options>,
    /// The answer to a notification.
    #[prost(bool, optional, tag = "3")]
    pub notify_success: Option<bool>,
    /// Another request follows on the same connection.
    #[prost(bool, optional, tag = "4")]
    pub keep_open: Option<bool>,
    #[prost(message, optional, tag = "5")]
    pub features: Option<Features>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Response {
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub kind: i32,
    #[prost(bool, required, tag = "2")]
    pub success: bool,
    #[prost(message, optional, tag = "4")]
    pub restored: Option<Restored>,
    #[prost(message, optional, tag = "5")]
    pub notify: Option<Notify>,
    #[prost(int32, optional, tag = "7")]
    pub errno: Option<i32>,
    #[prost(message, optional, tag = "8")]
    pub features: Option<Features>,
    #[prost(string, optional, tag = "9")]
    pub message: Option<String>,
    #[prost(message, optional, tag = "10")]
    pub version: Option<Version>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Restored {
    #[prost(int32, required, tag = "1")]
    pub pid: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Notify {
    #[prost(string, optional, tag = "1")]
    pub script: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub pid: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Version {
    #[prost(int32, required, tag = "1")]
    pub major: i32,
    #[prost(int32, required, tag = "2")]
    pub minor: i32,
    #[prost(int32, optional, tag = "4")]
    pub sublevel: Option<i32>,
}

/// What this kernel lets CRIU do.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Features {
    /// Track which memory has changed since an earlier dump.
    #[prost(bool, optional, tag = "1")]
    pub memory_tracking: Option<bool>,
    /// Give memory to a restored process when it is touched (userfaultfd).
    #[prost(bool, optional, tag = "2")]
    pub lazy_pages: Option<bool>,
}

/// Of a dump or a restore.
#[derive(Clone, PartialEq, Message)]
pub struct Options {
    /// A descriptor of this process; the service opens it by /proc.
    #[prost(int32, required, tag = "1")]
    pub images_directory: i32,
    #[prost(int32, optional, tag = "2")]
    pub pid: Option<i32>,
    #[prost(bool, optional, tag = "3")]
    pub leave_running: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    pub external_unix_sockets: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    pub tcp_established: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    pub evasive_devices: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub shell_job: Option<bool>,
    #[prost(bool, optional, tag = "8")]
    pub file_locks: Option<bool>,
    #[prost(int32, optional, tag = "9")]
    pub log_level: Option<i32>,
    /// A name in the work directory.
    #[prost(string, optional, tag = "10")]
    pub log_file: Option<String>,
    #[prost(message, optional, tag = "11")]
    pub page_server: Option<PageServer>,
    #[prost(bool, optional, tag = "12")]
    pub notify_scripts: Option<bool>,
    #[prost(string, optional, tag = "13")]
    pub root: Option<String>,
    /// Relative to the images' directory.
    #[prost(string, optional, tag = "14")]
    pub parent_images: Option<String>,
    #[prost(bool, optional, tag = "15")]
    pub track_memory: Option<bool>,
    #[prost(bool, optional, tag = "16")]
    pub auto_dedup: Option<bool>,
    /// A descriptor of this process.
    #[prost(int32, optional, tag = "17")]
    pub work_directory: Option<i32>,
    #[prost(bool, optional, tag = "18")]
    pub link_remap: Option<bool>,
    #[prost(bool, optional, tag = "24")]
    pub manage_cgroups: Option<bool>,
    #[prost(message, repeated, tag = "25")]
    pub cgroup_roots: Vec<CgroupRoot>,
    #[prost(bool, optional, tag = "26")]
    pub restore_sibling: Option<bool>,
    #[prost(message, repeated, tag = "27")]
    pub inherited: Vec<InheritedDescriptor>,
    #[prost(enumeration = "CgroupMode", optional, tag = "34")]
    pub cgroup_mode: Option<i32>,
    #[prost(string, repeated, tag = "37")]
    pub external: Vec<String>,
    /// CLONE_NEW*: what is made anew and empty.
    #[prost(uint32, optional, tag = "38")]
    pub empty_namespaces: Option<u32>,
    #[prost(message, repeated, tag = "39")]
    pub joined: Vec<JoinedNamespace>,
    #[prost(string, optional, tag = "44")]
    pub freeze_cgroup: Option<String>,
    #[prost(bool, optional, tag = "46")]
    pub tcp_skip_in_flight: Option<bool>,
    #[prost(bool, optional, tag = "48")]
    pub lazy_pages: Option<bool>,
    #[prost(bool, optional, tag = "50")]
    pub orphan_pts_master: Option<bool>,
    #[prost(string, optional, tag = "51")]
    pub config_file: Option<String>,
    #[prost(bool, optional, tag = "52")]
    pub tcp_close: Option<bool>,
    #[prost(string, optional, tag = "53")]
    pub lsm_profile: Option<String>,
    #[prost(string, optional, tag = "63")]
    pub lsm_mount_context: Option<String>,
    #[prost(enumeration = "NetworkLock", optional, tag = "64")]
    pub network_lock: Option<i32>,
    #[prost(bool, optional, tag = "65")]
    pub mntns_compat_mode: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub struct PageServer {
    #[prost(string, optional, tag = "1")]
    pub address: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub port: Option<i32>,
}

/// Where the processes' cgroups go in one hierarchy.
#[derive(Clone, PartialEq, Message)]
pub struct CgroupRoot {
    #[prost(string, optional, tag = "1")]
    pub controllers: Option<String>,
    #[prost(string, required, tag = "2")]
    pub path: String,
}

/// A descriptor of the service's that takes the place of what is called `key` in the images.
#[derive(Clone, PartialEq, Message)]
pub struct InheritedDescriptor {
    #[prost(string, required, tag = "1")]
    pub key: String,
    #[prost(int32, required, tag = "2")]
    pub number: i32,
}

/// A namespace that restored processes enter, by its file.
#[derive(Clone, PartialEq, Message)]
pub struct JoinedNamespace {
    /// As in /proc/PID/ns.
    #[prost(string, required, tag = "1")]
    pub kind: String,
    #[prost(string, required, tag = "2")]
    pub file: String,
}

/// What CRIU does about cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum CgroupMode {
    Ignore = 0,
    Soft = 3,
    Full = 4,
    Strict = 5,
    Default = 6,
}

/// How it keeps packets from TCP connections that are being saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum NetworkLock {
    Iptables = 1,
    Nftables = 2,
    Skip = 3,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field numbers are a contract with another program: these bytes were written out by hand.
    #[test]
    fn a_request_has_the_bytes_that_criu_reads() {
        let options = Options {
            images_directory: 4,
            leave_running: Some(true),
            log_file: Some("a".into()),
            external: vec!["mnt[/x]:y".into()],
            freeze_cgroup: Some("/f".into()),
            network_lock: Some(NetworkLock::Skip as i32),
            ..Options::default()
        };
        let request = Request { kind: Kind::Dump as i32, options: Some(options), ..Request::default() };
        let expected: &[&[u8]] = &[
            &[8, 1],
            &[18, 27],
            &[8, 4],
            &[24, 1],
            &[82, 1, b'a'],
            &[0xaa, 2, 9],
            b"mnt[/x]:y",
            &[0xe2, 2, 2, b'/', b'f'],
            &[0x80, 4, 3],
        ];
        assert_eq!(request.encode_to_vec(), expected.concat());
    }

    #[test]
    fn a_notification_is_read_from_criu_s_bytes() {
        let bytes = [8, 6, 16, 1, 42, 7, 10, 3, b'a', b'b', b'c', 16, 9];
        let response = Response::decode(&bytes[..]).unwrap();
        assert_eq!(response.kind, Kind::Notify as i32);
        let notify = response.notify.unwrap();
        assert_eq!((notify.script.as_deref(), notify.pid), (Some("abc"), Some(9)));
        assert!(Response::decode(&[42, 200][..]).is_err(), "cut short");
    }
}
