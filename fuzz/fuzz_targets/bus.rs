//! What a D-Bus daemon, or who plays one, may answer.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| trug::fuzzing::bus(data).expect("a socket pair"));
