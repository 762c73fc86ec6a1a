//! The JSON schema of the runtime-spec, as an oracle for tests. It is not ours and not in this repository: a checkout
//! of the specification is named by `OCI_RUNTIME_SPEC`; else it is Debian's package, of an older version (its schema
//! leaves fields that came later unchecked, and has none for features).

use std::fs;
use std::path::PathBuf;

use boon::{Compiler, Schemas};
use serde_json::Value;

/// golang-github-opencontainers-specs-dev.
const DEBIANS: &str = "/usr/share/gocode/src/github.com/opencontainers/runtime-spec";

/// The directory of the specification, where there is one.
pub fn specification() -> Option<PathBuf> {
    let named = std::env::var_os("OCI_RUNTIME_SPEC").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(DEBIANS))).filter(|directory| directory.join("schema").is_dir())
}

/// A checkout with its documents, not the schema alone.
pub fn documents() -> Option<PathBuf> {
    specification().filter(|directory| directory.join("config.md").is_file())
}

/// One of the schemas, compiled.
pub struct Oracle {
    schemas: Schemas,
    index: boon::SchemaIndex,
}

impl Oracle {
    /// `config-schema.json`, `features-schema.json` …; None where there is none here.
    pub fn of(schema: &str) -> Option<Self> {
        let directory = specification()?.join("schema");
        directory.join(schema).is_file().then(|| Self::compile(&directory, schema))
    }

    fn compile(directory: &std::path::Path, schema: &str) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let mut document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            // Ids without a scheme are names in the eyes of an old draft; files are found by their places.
            document.as_object_mut().unwrap().remove("id");
            compiler.add_resource(&place(&entry.file_name().to_string_lossy()), document).unwrap();
        }
        let index =
            compiler.compile(&place(schema), &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Self { schemas, index }
    }

    /// Why the schema refuses a document; None where it is content.
    pub fn complaint(&self, document: &Value) -> Option<String> {
        self.schemas.validate(document, self.index).err().map(|error| format!("{error:#}"))
    }
}

fn place(file: &str) -> String {
    format!("file:///schema/{file}")
}

/// Says that a test cannot run here, as the integration suite does (`integration/run-tests` counts it).
pub fn skip(reason: &str) {
    use std::io::Write;
    let thread = std::thread::current();
    let line = format!("skipped: {}: {reason}\n", thread.name().unwrap_or("a test"));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(path) = std::env::var_os("TRUG_TEST_SKIPS") {
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap()
            .write_all(line.as_bytes())
            .unwrap();
    }
}
