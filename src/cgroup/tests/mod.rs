//! Whole cgroups in this kernel: on v1 and hybrid hosts as they are, on v2 in a mount namespace of the test's
//! own. They need root; where they cannot run they say so.

mod placing;
mod setting;
mod stopping;
mod unified;
