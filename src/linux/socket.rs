//! Unix sockets: pairs of messages and descriptors, and connecting to a caller's socket.
use super::Result;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
/// A SOCK_SEQPACKET pair, close-on-exec: one send is one message, end of file means that the other side is gone.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    todo!()
}
/// One message with descriptors; MSG_NOSIGNAL.
pub fn send(socket: BorrowedFd, bytes: &[u8], fds: &[BorrowedFd]) -> Result<()> {
    todo!()
}
/// One message; None at end of file. A message longer than `limit` is EMSGSIZE. Received fds are close-on-exec.
pub fn receive(socket: BorrowedFd, limit: usize) -> Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    todo!()
}
/// Connects a SOCK_STREAM to a path of any length (through the directory's descriptor where it is over 107 bytes).
pub fn connect(path: &Path) -> Result<OwnedFd> {
    todo!()
}
