//! The other end of `--console-socket` and `--pidfd-socket`: one message with one descriptor.

use std::fs::File;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::running::Transcript;
use super::{deadline, process};

/// A listening socket in a test's directory.
pub struct DescriptorSocket {
    listener: UnixListener,
    pub path: PathBuf,
}

/// What came through one connection.
pub struct Received {
    pub payload: String,
    pub descriptors: Vec<OwnedFd>,
    connection: UnixStream,
}

impl DescriptorSocket {
    pub fn listen(path: &Path) -> Result<Self> {
        let listener = UnixListener::bind(path).with_context(|| format!("listen on {path:?}"))?;
        Ok(Self { listener, path: path.to_path_buf() })
    }

    /// Takes one connection and one message from it.
    pub fn receive(&self) -> Result<Received> {
        ensure!(process::readable_within(self.listener.as_fd(), deadline())?, "nobody connected");
        let (connection, _) = self.listener.accept()?;
        ensure!(process::readable_within(connection.as_fd(), deadline())?, "no message came");
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 4096];
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg(&connection, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let mut descriptors = Vec::new();
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(sent) = part {
                descriptors.extend(sent);
            }
        }
        let payload = String::from_utf8_lossy(&bytes[..message.bytes]).into_owned();
        Ok(Received { payload, descriptors, connection })
    }
}

impl Received {
    /// The one descriptor that came.
    pub fn one(&self) -> Result<OwnedFd> {
        ensure!(self.descriptors.len() == 1, "{} descriptors came, not one", self.descriptors.len());
        Ok(self.descriptors[0].try_clone()?)
    }

    /// True where the sender has closed after its one message.
    pub fn is_closed(&self) -> Result<bool> {
        let ready = process::readable_within(self.connection.as_fd(), deadline())?;
        let mut buffer = [0; 1];
        Ok(ready && rustix::io::read(&self.connection, &mut buffer)? == 0)
    }

    /// A terminal's master: what is written to it, read as it comes.
    pub fn console(&self) -> Result<Console> {
        let master = File::from(self.one()?);
        Ok(Console { transcript: Transcript::of(master.try_clone()?), master })
    }
}

/// A container's terminal, seen from its master.
pub struct Console {
    pub master: File,
    transcript: Arc<Transcript>,
}

impl Console {
    pub fn wait_for(&self, text: &str) -> Result<String> {
        self.transcript.wait_for(text)
    }

    pub fn write(&mut self, text: &str) -> Result<()> {
        use std::io::Write;
        Ok(self.master.write_all(text.as_bytes())?)
    }
}
