//! Our own binary, out of the container's reach (security rules R3, R4): CVE-2019-5736 and its kin.
use super::Result;
/// How the running image is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    ReadonlyFilesystem,
    SealedMemfd,
    DirectoryClone,
    MemfdCopy,
}
/// Re-executes this program once from a sealed view of itself, unless it runs from one already; then makes it not dumpable.
/// `TRUG_SEAL=memfd` in the environment forces the copy. Never returns unsealed: an error is an error.
/// Must be the first thing in main for commands that enter a container. Args and environment are passed on unchanged
/// (a private environment variable marks the second turn but is checked against F_GET_SEALS/statfs, and removed).
pub fn ensure() -> Result<Seal> {
    todo!()
}
