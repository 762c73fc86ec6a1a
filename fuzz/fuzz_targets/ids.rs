//! Ids, users, signals, cpu lists, sub-cgroups, unit names: short texts that name something.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| trug::fuzzing::ids(data));
