//! Session keyrings (`man 2 keyctl`).
use super::Result;
/// Joins a new session keyring of that name and makes it searchable as runc does (by user, or by possessor if `user_namespace`).
pub fn join_session(name: &str, user_namespace: bool) -> Result<()> {
    todo!()
}
