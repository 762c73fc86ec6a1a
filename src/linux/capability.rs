//! Capability sets (`man 7 capabilities`), on the `caps` crate. Names are without `CAP_`.

use super::Result;

/// Every capability name that this build knows, in kernel order.
pub fn names() -> Vec<String> {
    todo!()
}
/// The highest capability that this kernel has.
pub fn is_known_to_kernel(name: &str) -> bool {
    todo!()
}
/// Drops from the bounding set what is not in `keep`.
pub fn limit_bounding(keep: &[String]) -> Result<()> {
    todo!()
}
/// capset of effective, permitted, inheritable in one call; then ambient cleared and raised one by one.
pub fn set(effective: &[String], permitted: &[String], inheritable: &[String]) -> Result<()> {
    todo!()
}
pub fn set_ambient(ambient: &[String]) -> Result<()> {
    todo!()
}
pub fn has_effective(name: &str) -> bool {
    todo!()
}
/// Copies permitted to effective, after setresuid cleared it (with keep_capabilities).
pub fn raise_permitted() -> Result<()> {
    todo!()
}
