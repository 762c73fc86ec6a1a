//! trug: an OCI low-level container runtime. All of it is in the library, which the fuzz targets share.

/// musl's own allocator costs what musl's quick start saves (docs/performance.md).
#[cfg(target_env = "musl")]
#[global_allocator]
static HEAP: trug::Heap = trug::Heap::new();

fn main() {
    trug::main()
}
