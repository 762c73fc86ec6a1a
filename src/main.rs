//! trug: an OCI low-level container runtime. All of it is in the library, which the fuzz targets share.

fn main() -> std::process::ExitCode {
    trug::main()
}
