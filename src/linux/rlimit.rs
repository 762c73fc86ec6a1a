//! Resource limits by their POSIX names.
use super::Result;
/// `RLIMIT_NOFILE` -> the number of prlimit(2); None if there is no such limit.
pub fn number(name: &str) -> Option<u32> {
    todo!()
}
pub fn set(name: &str, soft: u64, hard: u64) -> Result<()> {
    todo!()
}
/// (soft, hard)
pub fn get(name: &str) -> Result<(u64, u64)> {
    todo!()
}
