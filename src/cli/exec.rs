//! `trug exec`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::trace::Trace;
use super::values::{container_id, given, given_text, path};
use crate::container::Globals;
use crate::container::exec;
use crate::container::options::ExecOptions;
use crate::report::Result;

const AFTER: &str = "\
What no flag says is as in the container's config: user, directory, environment, capabilities,
seccomp and all other confinement. Everything after the id belongs to the command. The exit status
is the command's (128+n for signal n), or 255 where it could not be run.

Examples:
   trug exec mine ps -ef
   trug exec -t mine sh
   trug exec --user 1000:1000 --env LANG=C mine id
   trug exec --detach --process process.json --pid-file exec.pid mine";

/// execute new process inside the container
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct Exec {
    /// Unix socket that is sent the terminal; needed for a terminal when detached
    #[arg(long, value_name = "SOCKET", value_parser = path())]
    pub(super) console_socket: Option<PathBuf>,
    /// Unix socket that is sent a pidfd of the process
    #[arg(long, value_name = "SOCKET", value_parser = path())]
    pub(super) pidfd_socket: Option<PathBuf>,
    /// Directory to start in, inside the container
    #[arg(long, value_name = "DIRECTORY", value_parser = path())]
    cwd: Option<PathBuf>,
    /// Set an environment variable; can be repeated
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// User to run as, by number
    #[arg(short, long, value_name = "UID[:GID]")]
    user: Option<String>,
    /// One more group, by number; can be repeated
    #[arg(short = 'g', long, value_name = "GID")]
    additional_gids: Vec<u32>,
    /// Take the whole process from this file, in the form of config.json's process
    #[arg(short, long, value_name = "FILE", value_parser = path())]
    process: Option<PathBuf>,
    /// Leave the process running in the background
    #[arg(short, long)]
    pub(super) detach: bool,
    /// Write the process's id to this file
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub(super) pid_file: Option<PathBuf>,
    /// SELinux label to run with
    #[arg(long, value_name = "LABEL")]
    process_label: Option<String>,
    /// AppArmor profile to run with
    #[arg(long, value_name = "PROFILE")]
    apparmor: Option<String>,
    /// Let nothing that it executes gain privileges, or (=false) let it though the container's config does not
    #[arg(long, value_name = "TRUE|FALSE", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_new_privs: Option<bool>,
    /// One more capability; can be repeated
    #[arg(short, long, value_name = "NAME")]
    cap: Vec<String>,
    /// Pass the N descriptors that follow stdio to the process
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) preserve_fds: u32,
    /// Run in this existing cgroup below the container's; on cgroup v1 can be repeated
    #[arg(long, value_name = "[CONTROLLERS:]PATH")]
    cgroup: Vec<String>,
    /// Run in a paused container too; it stands still until that is resumed
    #[arg(long)]
    ignore_paused: bool,
    #[command(flatten)]
    trace: Trace,
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
    /// Program and its arguments; none with --process
    #[arg(value_name = "command")]
    args: Vec<String>,
}

impl Exec {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        self.trace.begin()?;
        let id = container_id(&self.id)?;
        exec::exec(globals, &id, &self.options())
    }

    pub fn options(self) -> ExecOptions {
        ExecOptions {
            console_socket: given(self.console_socket),
            cwd: given(self.cwd),
            env: self.env,
            tty: self.tty,
            user: given_text(self.user),
            additional_gids: self.additional_gids,
            process: given(self.process),
            detach: self.detach,
            pid_file: given(self.pid_file),
            process_label: given_text(self.process_label),
            apparmor: given_text(self.apparmor),
            no_new_privs: self.no_new_privs,
            caps: self.cap,
            preserve_fds: self.preserve_fds,
            cgroup: self.cgroup,
            ignore_paused: self.ignore_paused,
            pidfd_socket: given(self.pidfd_socket),
            args: self.args,
        }
    }
}
