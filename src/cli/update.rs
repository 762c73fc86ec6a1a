//! `trug update`.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources};

use super::size;
use super::values::{container_id, given, given_text, path};
use crate::container::Globals;
use crate::container::update::{self, Change, Schemata};
use crate::report::{Code, Error, Result};

const AFTER: &str = "\
What is not given stays as it is; if one limit is refused, all stay as they are. A file has the form of
linux.resources in config.json, and can set more than the flags:
   {\"memory\": {\"limit\": 67108864}, \"cpu\": {\"quota\": 20000, \"period\": 100000}, \"pids\": {\"limit\": 50}}

Examples:
   trug update --memory 64m --pids-limit 50 mine
   echo '{\"cpu\": {\"shares\": 512}}' | trug update --resources - mine";

/// update container resource constraints
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
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
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        let id = container_id(&self.id)?;
        let schemata = Schemata {
            cache: given_text(self.l3_cache_schema.clone()),
            bandwidth: given_text(self.mem_bw_schema.clone()),
        };
        let change = match given(self.resources.clone()) {
            Some(file) if file == Path::new("-") => Change::Stdin,
            Some(file) => Change::File(file),
            None => Change::Given(Box::new(self.limits()?)),
        };
        update::update(globals, &id, change, schemata)?;
        Ok(0)
    }

    /// The limits that the flags name.
    fn limits(&self) -> Result<LinuxResources> {
        let mut limits = LinuxResources::default();
        limits.set_cpu(Some(self.cpu()?)).set_memory(Some(self.memory()?));
        if let Some(limit) = self.pids_limit {
            let mut pids = LinuxPids::default();
            pids.set_limit(limit);
            limits.set_pids(Some(pids));
        }
        if let Some(weight) = self.blkio_weight.filter(|weight| *weight != 0) {
            let mut block_io = LinuxBlockIo::default();
            block_io.set_weight(Some(weight));
            limits.set_block_io(Some(block_io));
        }
        Ok(limits)
    }

    fn cpu(&self) -> Result<LinuxCpu> {
        let mut cpu = LinuxCpu::default();
        cpu.set_shares(number("cpu-share", &self.cpu_share)?)
            .set_quota(number("cpu-quota", &self.cpu_quota)?)
            .set_period(number("cpu-period", &self.cpu_period)?)
            .set_burst(number("cpu-burst", &self.cpu_burst)?)
            .set_realtime_period(number("cpu-rt-period", &self.cpu_rt_period)?)
            .set_realtime_runtime(number("cpu-rt-runtime", &self.cpu_rt_runtime)?)
            .set_idle(number("cpu-idle", &self.cpu_idle)?)
            .set_cpus(given_text(self.cpuset_cpus.clone()))
            .set_mems(given_text(self.cpuset_mems.clone()));
        Ok(cpu)
    }

    fn memory(&self) -> Result<LinuxMemory> {
        let mut memory = LinuxMemory::default();
        memory
            .set_limit(bytes("memory", &self.memory)?)
            .set_reservation(bytes("memory-reservation", &self.memory_reservation)?)
            .set_swap(bytes("memory-swap", &self.memory_swap)?);
        #[allow(deprecated, reason = "read, so that it can be said to be obsolete")]
        memory
            .set_kernel(bytes("kernel-memory", &self.kernel_memory)?)
            .set_kernel_tcp(bytes("kernel-memory-tcp", &self.kernel_memory_tcp)?);
        Ok(memory)
    }
}

fn number<T: FromStr<Err: Display>>(flag: &str, text: &Option<String>) -> Result<Option<T>> {
    let read = |text: String| text.parse().map_err(|error| invalid(flag, format!("{text:?}: {error}")));
    given_text(text.clone()).map(read).transpose()
}

fn bytes(flag: &str, text: &Option<String>) -> Result<Option<i64>> {
    let read = |text: String| size::bytes(&text).map_err(|what| invalid(flag, what));
    given_text(text.clone()).map(read).transpose()
}

fn invalid(flag: &str, what: String) -> Error {
    Error::new(Code::Usage, what).context(format!("invalid value for {flag}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        update: Update,
    }

    fn limits(flags: &str) -> Result<Value> {
        let words = ["update"].into_iter().chain(flags.split_whitespace()).chain(["ID"]);
        let limits = Line::try_parse_from(words).unwrap().update.limits()?;
        Ok(serde_json::to_value(limits).unwrap())
    }

    #[test]
    fn every_flag_sets_its_field() {
        for (flags, expected) in [
            ("", json!({"cpu": {}, "memory": {}})),
            ("--blkio-weight=0", json!({"cpu": {}, "memory": {}})),
            ("--blkio-weight=333", json!({"cpu": {}, "memory": {}, "blockIO": {"weight": 333}})),
            ("--pids-limit=-1", json!({"cpu": {}, "memory": {}, "pids": {"limit": -1}})),
            ("--pids-limit=0", json!({"cpu": {}, "memory": {}, "pids": {"limit": 0}})),
            (
                "--cpu-share=1 --cpu-quota=-1 --cpu-period=3 --cpu-burst=4 --cpu-rt-period=5 \
                 --cpu-rt-runtime=6 --cpu-idle=1 --cpuset-cpus=0-1 --cpuset-mems=0",
                json!({"memory": {}, "cpu": {
                    "shares": 1, "quota": -1, "period": 3, "burst": 4, "realtimePeriod": 5,
                    "realtimeRuntime": 6, "idle": 1, "cpus": "0-1", "mems": "0"}}),
            ),
            (
                "--memory=64m --memory-reservation=1k --memory-swap=-1 --kernel-memory=2 --kernel-memory-tcp=3",
                json!({"cpu": {}, "memory": {
                    "limit": 67_108_864, "reservation": 1024, "swap": -1, "kernel": 2, "kernelTCP": 3}}),
            ),
            ("--memory= --cpu-share= --cpuset-cpus=", json!({"cpu": {}, "memory": {}})),
        ] {
            assert_eq!(limits(flags).unwrap(), expected, "{flags}");
        }
    }

    #[test]
    fn a_value_that_is_none_names_its_flag() {
        for (flags, expected) in [
            ("--cpu-share=x", "invalid value for cpu-share: \"x\""),
            ("--cpu-share=-1", "invalid value for cpu-share: \"-1\""),
            ("--cpu-idle=yes", "invalid value for cpu-idle: \"yes\""),
            ("--memory=5x", "invalid value for memory: invalid suffix: 'x'"),
            ("--memory-swap=-2", "invalid value for memory-swap: invalid size: '-2'"),
        ] {
            let error = limits(flags).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
