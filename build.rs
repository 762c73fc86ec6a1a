//! The release binary has no unwind tables: it aborts on panic and captures no backtrace, so nothing would ever
//! read them, and they are a tenth of its size. Tests unwind, and keep them. What a start runs lies before the
//! rest, and what it seldom runs behind it.
//!
//! The program begins at the seal's own entry point where there is one (src/linux/seal/entry.rs).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let scripts = ["no-unwind-tables.ld", "often-run.ld", "rarely-run.ld"];
    for script in scripts {
        println!("cargo::rerun-if-changed={script}");
    }
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64") {
        println!("cargo::rustc-link-arg-bins=-Wl,-e,trug_entry");
    }
    if std::env::var("PROFILE").as_deref() == Ok("release") {
        let directory = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        for script in scripts {
            println!("cargo::rustc-link-arg-bins=-Wl,-T,{directory}/{script}");
        }
    }
}
