//! Where config.json has objects and where lists. serde takes a list for an object, its members in order; to read
//! `"resources": []` as limits that are all unset would be to guess.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::pointer;
use Node::*;

/// What stands at a place, as far as it can be mistaken.
enum Node {
    /// An object whose members are objects or lists in their turn; others are not looked at.
    Object(&'static [(&'static str, Node)]),
    List(&'static Node),
    /// An object with members of any name.
    Map(&'static Node),
    Anything,
}

const PLAIN: Node = Object(&[]);
const MAPPINGS: Node = List(&PLAIN);
const HOOKS: Node = List(&PLAIN);

const PROCESS: Node = Object(&[
    ("consoleSize", PLAIN),
    ("user", PLAIN),
    ("capabilities", PLAIN),
    ("rlimits", List(&PLAIN)),
    ("scheduler", PLAIN),
    ("ioPriority", PLAIN),
    ("execCPUAffinity", PLAIN),
]);

const RESOURCES: Node = Object(&[
    ("devices", List(&PLAIN)),
    ("memory", PLAIN),
    ("cpu", PLAIN),
    ("pids", PLAIN),
    (
        "blockIO",
        Object(&[
            ("weightDevice", List(&PLAIN)),
            ("throttleReadBpsDevice", List(&PLAIN)),
            ("throttleWriteBpsDevice", List(&PLAIN)),
            ("throttleReadIOPSDevice", List(&PLAIN)),
            ("throttleWriteIOPSDevice", List(&PLAIN)),
        ]),
    ),
    ("hugepageLimits", List(&PLAIN)),
    ("network", Object(&[("priorities", List(&PLAIN))])),
    ("rdma", Map(&PLAIN)),
    ("unified", Map(&Anything)),
]);

const SECCOMP: Node = Object(&[("syscalls", List(&Object(&[("args", List(&PLAIN))])))]);

const LINUX: Node = Object(&[
    ("namespaces", List(&PLAIN)),
    ("uidMappings", MAPPINGS),
    ("gidMappings", MAPPINGS),
    ("timeOffsets", Map(&PLAIN)),
    ("devices", List(&PLAIN)),
    ("netDevices", Map(&PLAIN)),
    ("resources", RESOURCES),
    ("intelRdt", PLAIN),
    ("memoryPolicy", PLAIN),
    ("personality", PLAIN),
    ("sysctl", Map(&Anything)),
    ("seccomp", SECCOMP),
]);

static CONFIG: Node = Object(&[
    ("root", PLAIN),
    ("mounts", List(&Object(&[("uidMappings", MAPPINGS), ("gidMappings", MAPPINGS)]))),
    ("process", PROCESS),
    (
        "hooks",
        Object(&[
            ("prestart", HOOKS),
            ("createRuntime", HOOKS),
            ("createContainer", HOOKS),
            ("startContainer", HOOKS),
            ("poststart", HOOKS),
            ("poststop", HOOKS),
        ]),
    ),
    ("annotations", Map(&Anything)),
    ("linux", LINUX),
]);

static PROCESS_FILE: Node = PROCESS;

/// The specification's lists, in the order of bytes: no object of it has one of these names.
const LISTS: [&str; 35] = [
    "additionalGids",
    "ambient",
    "architectures",
    "args",
    "bounding",
    "createContainer",
    "createRuntime",
    "devices",
    "effective",
    "env",
    "flags",
    "gidMappings",
    "hugepageLimits",
    "inheritable",
    "maskedPaths",
    "mounts",
    "names",
    "namespaces",
    "options",
    "permitted",
    "poststart",
    "poststop",
    "prestart",
    "priorities",
    "readonlyPaths",
    "rlimits",
    "schemata",
    "startContainer",
    "syscalls",
    "throttleReadBpsDevice",
    "throttleReadIOPSDevice",
    "throttleWriteBpsDevice",
    "throttleWriteIOPSDevice",
    "uidMappings",
    "weightDevice",
];

/// Whether a member of this name is a list wherever the specification has one.
pub(super) fn is_list(name: &[u8]) -> bool {
    LISTS.binary_search_by(|list| list.as_bytes().cmp(name)).is_ok()
}

/// Whether the members of this member have names that are the user's, and are objects.
pub(super) fn has_any_names(name: &[u8]) -> bool {
    [&b"netDevices"[..], b"rdma", b"timeOffsets"].contains(&name)
}

/// The place of the first list in a config that stands where an object should. None also for what is no JSON.
pub fn misplaced_list(config: &[u8]) -> Option<String> {
    find(config, &CONFIG)
}

/// The same in a process file.
pub fn misplaced_list_in_process(process: &[u8]) -> Option<String> {
    find(process, &PROCESS_FILE)
}

fn find(text: &[u8], node: &'static Node) -> Option<String> {
    let (mut path, mut found) = (String::new(), None);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    // The error is but the way out: what was found says it all.
    let _ = Look { node, path: &mut path, found: &mut found }.deserialize(&mut deserializer);
    found
}

struct Look<'a> {
    node: &'static Node,
    /// The pointer of the value that is looked at.
    path: &'a mut String,
    found: &'a mut Option<String>,
}

impl Look<'_> {
    fn child(&mut self, node: &'static Node) -> Look<'_> {
        Look { node, path: self.path, found: self.found }
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.node {
            Anything => deserializer.deserialize_ignored_any(IgnoredAny).map(drop),
            Object(_) | List(_) | Map(_) => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<std::borrow::Cow<str>>()? {
            let node = match self.node {
                Object(members) => members.iter().find(|(known, _)| *known == name).map(|(_, node)| node),
                Map(node) => Some(*node),
                List(_) | Anything => None,
            };
            let Some(node) = node else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let length = self.path.len();
            *self.path = pointer::member(self.path, &name);
            map.next_value_seed(self.child(node))?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let List(node) = self.node else {
            *self.found = Some(self.path.clone());
            return Err(A::Error::custom("a list"));
        };
        let length = self.path.len();
        for index in 0.. {
            self.path.push_str(&format!("/{index}"));
            let more = list.next_element_seed(self.child(node))?;
            self.path.truncate(length);
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    // What is of yet another kind, the types refuse.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All names of the tree, with what stands there.
    fn members(node: &'static Node) -> Vec<(&'static str, &'static Node)> {
        match node {
            Object(members) => members
                .iter()
                .flat_map(|(name, node)| [(*name, node)].into_iter().chain(self::members(node)))
                .collect(),
            List(node) | Map(node) => self::members(node),
            Anything => Vec::new(),
        }
    }

    #[test]
    fn a_list_is_never_an_object_elsewhere() {
        assert!(LISTS.is_sorted());
        for (name, node) in members(&CONFIG) {
            assert_eq!(is_list(name.as_bytes()), matches!(node, List(_)), "{name}");
            let any_names = matches!(node, Map(node) if !matches!(node, Anything));
            assert_eq!(has_any_names(name.as_bytes()), any_names, "{name}");
        }
    }

    #[test]
    fn a_list_in_the_place_of_an_object_is_found() {
        for (config, place) in [
            (r#"{"linux": {"resources": []}}"#, Some("/linux/resources")),
            (r#"{"process": [1]}"#, Some("/process")),
            (r#"{"mounts": [{}, []]}"#, Some("/mounts/1")),
            (r#"{"mounts": [{"uidMappings": [[0, 1, 2]]}]}"#, Some("/mounts/0/uidMappings/0")),
            (r#"{"linux": {"netDevices": {"a/b": []}}}"#, Some("/linux/netDevices/a~1b")),
            (
                r#"{"linux": {"seccomp": {"syscalls": [{"args": [[1]]}]}}}"#,
                Some("/linux/seccomp/syscalls/0/args/0"),
            ),
            ("[]", Some("")),
            (r#"{"linux": {"resources": null, "unknown": [[]]}, "annotations": {"a": "b"}}"#, None),
            (r#"{"process": {"args": ["a"], "rlimits": [{}], "cwd": 5, "oomScoreAdj": -1, "x": 0.5}}"#, None),
            ("{", None),
        ] {
            assert_eq!(misplaced_list(config.as_bytes()).as_deref(), place, "{config}");
        }
        assert_eq!(misplaced_list_in_process(br#"{"user": []}"#).as_deref(), Some("/user"));
    }
}
