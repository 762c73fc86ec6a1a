//! config.json -> Plan: all deciding, no side effects.

pub mod types;

pub use types::*;
pub mod compile;
