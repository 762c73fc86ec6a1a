//! What init may say to the runtime, and with how many descriptors.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| trug::fuzzing::channel(data).expect("a socket pair"));
