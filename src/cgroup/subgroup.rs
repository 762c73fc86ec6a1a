//! `exec --cgroup`: `path`, or `controller[,controller]:path` as often as wanted; relative to the container's
//! cgroup. The error texts are runc's.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::fail;
use crate::report::{Code, Result};

/// Where in the container's cgroup a process goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// The same sub-cgroup in every hierarchy; "" is the container's own.
    Everywhere(PathBuf),
    /// By controller; the container's own in the hierarchies that are not named.
    ByController(BTreeMap<String, PathBuf>),
}

impl Place {
    /// What the command line says; nothing is the container's own cgroup.
    ///
    /// # Errors
    /// A path that leaves the container's cgroup, an empty or repeated controller, a path without one beside
    /// others.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let mut places = BTreeMap::new();
        for argument in arguments {
            let Some((controllers, path)) = argument.split_once(':') else {
                if arguments.len() > 1 {
                    fail!(
                        Code::Usage,
                        "invalid --cgroup argument: {argument} (missing <controller>: prefix)"
                    );
                }
                return Ok(Self::Everywhere(inside(argument)?));
            };
            for controller in controllers.split(',') {
                if controller.is_empty() {
                    fail!(Code::Usage, "invalid --cgroup argument: {argument} (empty <controller> prefix)");
                }
                if places.insert(controller.to_owned(), inside(path)?).is_some() {
                    let text = "invalid --cgroup argument(s): controller";
                    fail!(Code::Usage, "{text} {controller} specified multiple times");
                }
            }
        }
        match places.is_empty() {
            true => Ok(Self::Everywhere(PathBuf::new())),
            false => Ok(Self::ByController(places)),
        }
    }
}

/// The path without what is lexical, or an error if any prefix of it lies above where it starts.
fn inside(path: &str) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir if !clean.pop() => fail!(Code::Usage, "bad sub cgroup path: {path}"),
            _ => {}
        }
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Place> {
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.to_string()).collect();
        Place::parse(&arguments)
    }

    #[test]
    fn a_path_alone_is_for_every_hierarchy() {
        for (argument, expected) in
            [("", ""), ("/", ""), ("foo", "foo"), ("/foo/bar/", "foo/bar"), ("a/../b", "b"), ("./a", "a")]
        {
            assert_eq!(
                parse(&[argument]).unwrap(),
                Place::Everywhere(PathBuf::from(expected)),
                "{argument:?}"
            );
        }
        assert_eq!(parse(&[]).unwrap(), Place::Everywhere(PathBuf::new()));
    }

    #[test]
    fn controllers_have_their_own_paths() {
        let Place::ByController(places) = parse(&["memory:sub", "cpu,cpuacct:/x"]).unwrap() else {
            panic!("by controller")
        };
        let places: Vec<(&str, &str)> =
            places.iter().map(|(name, path)| (name.as_str(), path.to_str().unwrap())).collect();
        assert_eq!(places, [("cpu", "x"), ("cpuacct", "x"), ("memory", "sub")]);
    }

    #[test]
    fn what_leaves_the_container_is_refused_in_runcs_words() {
        for arguments in
            [&[".."][..], &["../ctr2"], &["a/../../b"], &["/.."], &["cpu:.."], &["memory:x", "cpu:a/../.."]]
        {
            let error = parse(arguments).unwrap_err();
            assert!(error.text().contains("bad sub cgroup path: "), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn malformed_arguments_are_refused_in_runcs_words() {
        for (arguments, expected) in [
            (&["a", "b"][..], "(missing <controller>: prefix)"),
            (&[":x"], "(empty <controller> prefix)"),
            (&["cpu,:x"], "(empty <controller> prefix)"),
            (&["cpu:x", "cpu:y"], "controller cpu specified multiple times"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.text().contains(expected), "{arguments:?}: {error}");
        }
    }
}
