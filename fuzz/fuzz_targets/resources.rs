//! Limits in force and limits to set, a line of JSON each.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| trug::fuzzing::resources(data));
