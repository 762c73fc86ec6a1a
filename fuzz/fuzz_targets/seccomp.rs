//! A seccomp profile: what compiles answers only what it names.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use trug_fuzz::json;

fuzz_target!(|data: &[u8]| trug::fuzzing::seccomp(data));
fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    json::mutate(data, size, most, seed)
});
