//! The options of a mount, one a line.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| trug::fuzzing::mount_options(data));
