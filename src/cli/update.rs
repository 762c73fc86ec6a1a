//! `trug update`: flags only, so far.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::values::path;
use crate::fail;
use crate::report::{Code, Result};

/// update container resource constraints
#[derive(Debug, Args)]
#[allow(dead_code, reason = "read from the command line, and refused until limits can be updated")]
pub struct Update {
    /// Read the limits from this file (- for standard input), in the form of config.json's resources; other flags are ignored then
    #[arg(short, long, value_name = "FILE", value_parser = path())]
    pub(super) resources: Option<PathBuf>,
    /// Weight of its I/O, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    blkio_weight: Option<u16>,
    /// Length of a CPU period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<String>,
    /// CPU time in a period, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_quota: Option<String>,
    /// CPU time that can be saved up for a burst, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_burst: Option<String>,
    /// CPU weight beside other containers
    #[arg(long, value_name = "SHARES")]
    cpu_share: Option<String>,
    /// Length of a real-time CPU period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_rt_period: Option<String>,
    /// Real-time CPU time in a period, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_rt_runtime: Option<String>,
    /// CPUs to use, 0-3,7
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes to use, 0-1
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// 1 to run only where a CPU would idle (SCHED_IDLE), 0 for as usual
    #[arg(long, value_name = "0|1")]
    cpu_idle: Option<String>,
    /// Memory limit in bytes, or with a unit (512m)
    #[arg(long, value_name = "BYTES")]
    memory: Option<String>,
    /// Memory that is its own while others are short of it
    #[arg(long, value_name = "BYTES")]
    memory_reservation: Option<String>,
    /// Limit of memory and swap together, -1 for none
    #[arg(long, value_name = "BYTES")]
    pub(super) memory_swap: Option<String>,
    /// Obsolete and ignored
    #[arg(long, value_name = "BYTES", hide = true)]
    kernel_memory: Option<String>,
    /// Obsolete and ignored
    #[arg(long, value_name = "BYTES", hide = true)]
    kernel_memory_tcp: Option<String>,
    /// Limit of processes and threads, -1 for none
    #[arg(long, value_name = "N")]
    pub(super) pids_limit: Option<i64>,
    /// Intel RDT L3 cache schema
    #[arg(long, value_name = "SCHEMA")]
    l3_cache_schema: Option<String>,
    /// Intel RDT memory bandwidth schema
    #[arg(long, value_name = "SCHEMA")]
    mem_bw_schema: Option<String>,
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl Update {
    pub fn carry_out(self) -> Result<u8> {
        fail!(Code::Unsupported, "update is not supported yet")
    }
}
