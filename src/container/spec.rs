//! `spec`: a first config.json for a new bundle.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::bundle::default_spec;
use crate::fail;
use crate::report::{Code, Context, Result};

const CONFIG: &str = "config.json";

/// Writes it into `bundle`; with `rootless`, one that the calling user can run.
///
/// # Errors
/// There is one already: what a person has written is never overwritten.
pub fn write(bundle: &Path, rootless: bool) -> Result<()> {
    let path = bundle.join(CONFIG);
    let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fail!(Code::Usage, "File {CONFIG} exists. Remove it first")
        }
        Err(error) => return Err(error).with_context(|| format!("make {path:?}")),
    };
    file.write_all(default_spec::text(rootless).as_bytes()).with_context(|| format!("write {path:?}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::container::testing::Place;

    #[test]
    fn a_config_is_written_once() {
        for rootless in [false, true] {
            let place = Place::new();
            write(&place.root(), rootless).unwrap();
            let written = fs::read_to_string(place.root().join("config.json")).unwrap();
            assert_eq!(written, default_spec::text(rootless));
            let error = write(&place.root(), rootless).unwrap_err();
            assert_eq!(error.to_string(), "File config.json exists. Remove it first");
            assert_eq!(fs::read_to_string(place.root().join("config.json")).unwrap(), written);
        }
    }

    #[test]
    fn a_bundle_that_is_not_there_is_named() {
        let error = write(Path::new("/no/such/bundle"), false).unwrap_err();
        assert!(error.to_string().starts_with("make \"/no/such/bundle/config.json\": "), "{error}");
    }
}
