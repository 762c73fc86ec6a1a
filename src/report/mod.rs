//! What trug tells people and programs: errors and log lines.
//!
//! Lowest floor, beside `linux/`: knows nothing of containers.

pub mod error;
pub mod log;
pub mod trace;

pub use error::{Code, Context, Error, Result, printable};
