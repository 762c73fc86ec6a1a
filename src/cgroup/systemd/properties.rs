//! Limits as properties of a unit (systemd.resource-control(5)).
//!
//! What a limit comes to is decided once, in `v1/`, `v2/` and `shared/`: here the writes of those become
//! properties, so that systemd, whenever it sets a cgroup anew, sets what we have set. What it has no
//! property for, it leaves alone.

use std::collections::BTreeMap;

use oci_spec::runtime::LinuxResources;

use super::bus::{Type, Value};
use super::manager::Property;
use super::unit::Unit;
use crate::bundle::pointer::token;
use crate::cgroup::write::{Current, Write, pointer};
use crate::linux::scheduler::parse_cpu_list;
use crate::report::{Code, Error, Result, log};

/// The versions of systemd from which on it has a property.
mod since {
    pub const CPU_QUOTA_PERIOD: u32 = 242;
    pub const ALLOWED_CPUS: u32 = 244;
    pub const CPU_IDLE: u32 = 252;
    pub const OOM_POLICY: u32 = 253;
    pub const ZSWAP_MAX: u32 = 253;
}

/// The kernel's period where none was ever set, in microseconds.
const DEFAULT_PERIOD: u64 = 100_000;
/// systemd counts in whole percents: microseconds of CPU in a second of time.
const PERCENT: u64 = 10_000;
const SECOND: u64 = 1_000_000;
const INFINITY: u64 = u64::MAX;
/// CPUWeight=idle
const IDLE: Value = Value::U64(0);
/// runc's words.
const WEIGHT_OF_IDLE: &str = "unable to apply both CPUWeight and CpuIdle to systemd, ignoring CPUWeight";

/// What a container's unit is started with. The annotations' come last, and win.
pub fn of_start(
    unit: &Unit,
    pid: u32,
    resources: &LinuxResources,
    annotations: &[Property],
    version: u32,
) -> Vec<Property> {
    let mut properties = Properties::default();
    properties.set("Description", Value::Text(format!("libcontainer container {}", unit.container)));
    if unit.is_slice() {
        properties.set("Wants", Value::texts([unit.slice.as_str()]));
    } else {
        properties.set("Slice", Value::text(&unit.slice));
        // What is below the scope is the container's own business.
        properties.set("Delegate", Value::Bool(true));
        properties.set("PIDs", Value::Array(Type::Basic(b'u'), vec![Value::U32(pid)]));
    }
    for controller in ["Memory", "CPU", "IO", "Tasks"] {
        // A controller is there for the limits of later, and joined while that costs nothing.
        properties.set(&format!("{controller}Accounting"), Value::Bool(true));
    }
    properties.set("DefaultDependencies", Value::Bool(false));
    // Can be set at a start alone.
    let oom_group = resources.unified().as_ref().and_then(|files| files.get("memory.oom.group"));
    if let Some(group) = oom_group.filter(|_| version >= since::OOM_POLICY) {
        match group.trim() {
            "0" => properties.set("OOMPolicy", Value::text("continue")),
            "1" => properties.set("OOMPolicy", Value::text("kill")),
            _ => {}
        }
    }
    for property in annotations {
        properties.set(&property.name, property.value.clone());
    }
    properties.list
}

/// The properties for writes into files of v2, and for `unified`, which overrides them.
///
/// # Errors
/// A value of `unified` that has no meaning.
pub fn of_unified(
    writes: &[Write],
    unified: Option<&std::collections::HashMap<String, String>>,
    now: &dyn Current,
    version: u32,
) -> Result<Vec<Property>> {
    let mut properties = Properties::default();
    for write in writes {
        let malformed = |text| Error::new(Code::InvalidConfig, text).at(write.pointer.clone());
        file_of_v2(&write.file, &write.value, now, version, &mut properties).map_err(malformed)?;
    }
    for (file, value) in unified.into_iter().flatten().collect::<BTreeMap<_, _>>() {
        let malformed = |text| {
            let text = format!("unified resource {file:?} value invalid: {text}");
            Error::new(Code::InvalidConfig, text).at(pointer(&format!("unified/{}", token(file))))
        };
        file_of_v2(file, value.trim(), now, version, &mut properties).map_err(malformed)?;
    }
    Ok(properties.list)
}

fn file_of_v2(
    file: &str,
    value: &str,
    now: &dyn Current,
    version: u32,
    properties: &mut Properties,
) -> std::result::Result<(), String> {
    let name = match file {
        "memory.max" => "MemoryMax",
        "memory.high" => "MemoryHigh",
        "memory.low" => "MemoryLow",
        "memory.min" => "MemoryMin",
        "memory.swap.max" => "MemorySwapMax",
        "memory.zswap.max" if version >= since::ZSWAP_MAX => "MemoryZSwapMax",
        "pids.max" => {
            // systemd has no limit of 0.
            properties.set("TasksMax", Value::U64(amount(value)?.max(1)));
            return Ok(());
        }
        "cpu.weight" => {
            // An idle group has no weight, and systemd no other way to say idle.
            match properties.has("CPUWeight", &IDLE) {
                true => log::warn(WEIGHT_OF_IDLE),
                false => properties.set("CPUWeight", Value::U64(amount(value)?)),
            }
            return Ok(());
        }
        "cpu.idle" => {
            if value == "1" && version >= since::CPU_IDLE {
                if properties.list.iter().any(|property| property.name == "CPUWeight") {
                    log::warn(WEIGHT_OF_IDLE);
                }
                properties.set("CPUWeight", IDLE);
            }
            return Ok(());
        }
        "cpu.max" => {
            let mut words = value.split_whitespace();
            let quota = amount(words.next().unwrap_or_default())?;
            let period = words.next().map(amount).transpose()?;
            cpu_quota(quota, period, period_now(now), version, properties);
            return Ok(());
        }
        "io.weight" => {
            if let Ok(weight) = value.trim_start_matches("default").trim().parse() {
                properties.set("IOWeight", Value::U64(weight));
            }
            return Ok(());
        }
        "cpuset.cpus" if version >= since::ALLOWED_CPUS => return cpuset("AllowedCPUs", value, properties),
        "cpuset.mems" if version >= since::ALLOWED_CPUS => {
            return cpuset("AllowedMemoryNodes", value, properties);
        }
        _ => return Ok(()),
    };
    properties.set(name, Value::U64(amount(value)?));
    Ok(())
}

/// The properties for writes into files of v1.
pub fn of_legacy(writes: &[Write], period_now: u64, version: u32) -> Result<Vec<Property>> {
    let mut properties = Properties::default();
    let value_of = |file: &str| writes.iter().rev().find(|write| write.file == file);
    for write in writes {
        let malformed = |text| Error::new(Code::InvalidConfig, text).at(write.pointer.clone());
        let name = match write.file.as_str() {
            "memory.limit_in_bytes" => "MemoryLimit",
            "cpu.shares" => "CPUShares",
            "blkio.weight" => "BlockIOWeight",
            "pids.max" => "TasksMax",
            "cpuset.cpus" if version >= since::ALLOWED_CPUS => {
                cpuset("AllowedCPUs", &write.value, &mut properties).map_err(malformed)?;
                continue;
            }
            "cpuset.mems" if version >= since::ALLOWED_CPUS => {
                cpuset("AllowedMemoryNodes", &write.value, &mut properties).map_err(malformed)?;
                continue;
            }
            _ => continue,
        };
        properties.set(name, Value::U64(amount(&write.value).map_err(malformed)?));
    }
    let number = |file: &str| value_of(file).and_then(|write| amount(&write.value).ok());
    let (quota, period) = (number("cpu.cfs_quota_us"), number("cpu.cfs_period_us"));
    if quota.is_some() || period.is_some() {
        cpu_quota(quota.unwrap_or(INFINITY), period, period_now, version, &mut properties);
    }
    Ok(properties.list)
}

/// A list of properties, each once.
#[derive(Default)]
struct Properties {
    list: Vec<Property>,
}

impl Properties {
    fn set(&mut self, name: &str, value: Value) {
        match self.list.iter_mut().find(|property| property.name == name) {
            Some(property) => property.value = value,
            None => self.list.push(Property::new(name, value)),
        }
    }

    fn has(&self, name: &str, value: &Value) -> bool {
        self.list.iter().any(|property| property.name == name && property.value == *value)
    }
}

/// `max`, or -1 of v1, is infinity.
fn amount(value: &str) -> std::result::Result<u64, String> {
    match value {
        "max" | "-1" => Ok(INFINITY),
        value => value.parse().map_err(|_| format!("{value:?} is no number")),
    }
}

fn cpu_quota(quota: u64, period: Option<u64>, period_now: u64, version: u32, properties: &mut Properties) {
    if let Some(period) = period.filter(|_| version >= since::CPU_QUOTA_PERIOD) {
        properties.set("CPUQuotaPeriodUSec", Value::U64(period));
    }
    let per_second = match quota {
        INFINITY => INFINITY,
        quota => rounded(quota, period.unwrap_or(period_now)).0,
    };
    properties.set("CPUQuotaPerSecUSec", Value::U64(per_second));
}

/// A quota in systemd's whole percents, rounded up, so that cgroups below can have what was asked for: in
/// microseconds a second, and in microseconds a period.
fn rounded(quota: u64, period: u64) -> (u64, u64) {
    let period = u128::from(period.max(1));
    let per_second = (u128::from(quota) * u128::from(SECOND) / period).next_multiple_of(u128::from(PERCENT));
    let quota = per_second * period / u128::from(SECOND);
    let fit = |number: u128| u64::try_from(number).unwrap_or(INFINITY);
    (fit(per_second), fit(quota))
}

/// The quota that is written into the cgroup where systemd is told another by rounding: the two must not
/// differ.
pub fn round_quota(resources: &LinuxResources, period_now: u64) -> LinuxResources {
    let mut resources = resources.clone();
    let Some(cpu) = resources.cpu() else { return resources };
    let Some(quota) = cpu.quota().and_then(|quota| u64::try_from(quota).ok()).filter(|quota| *quota > 0)
    else {
        return resources;
    };
    let period = cpu.period().filter(|period| *period != 0).unwrap_or(period_now);
    let asked = u128::from(quota) * u128::from(SECOND) / u128::from(period);
    if asked % u128::from(PERCENT) == 0 {
        return resources;
    }
    let mut cpu = cpu.clone();
    // The kernel refuses what no longer fits; none at all would lift the limit.
    cpu.set_quota(Some(i64::try_from(rounded(quota, period).1).unwrap_or(i64::MAX)));
    resources.set_cpu(Some(cpu));
    resources
}

/// The period that is in force in a v2 cgroup.
pub fn period_now(now: &dyn Current) -> u64 {
    let present = now.read("cpu.max").ok().flatten();
    let period = present.as_deref().and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
    period.unwrap_or(DEFAULT_PERIOD)
}

/// The period that is in force in a v1 cgroup.
pub fn legacy_period_now(now: &dyn Current) -> u64 {
    let present = now.read("cpu.cfs_period_us").ok().flatten();
    present.and_then(|text| text.trim().parse().ok()).unwrap_or(DEFAULT_PERIOD)
}

/// `1,3-5` as a bit mask, the lowest CPU in the first byte's lowest bit.
fn cpuset(name: &str, list: &str, properties: &mut Properties) -> std::result::Result<(), String> {
    let cpus = parse_cpu_list(list).ok_or_else(|| format!("invalid list: {list:?}"))?;
    let mut bytes = vec![0_u8; cpus.last().map_or(0, |last| *last as usize / 8 + 1)];
    for cpu in cpus {
        bytes[cpu as usize / 8] |= 1 << (cpu % 8);
    }
    properties.set(name, Value::bytes(&bytes));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::unit::Instance;
    use super::*;
    use crate::cgroup::write::testing::{files, resources};
    use crate::cgroup::{v1, v2};

    fn shown(properties: Result<Vec<Property>>) -> Vec<String> {
        let text = |value: &Value| match value {
            Value::U64(INFINITY) => "infinity".to_owned(),
            Value::U64(number) => number.to_string(),
            Value::Bool(word) => word.to_string(),
            Value::Text(text) => text.clone(),
            Value::Array(_, items) => format!("{items:?}").replace("Byte", "").replace("U32", ""),
            other => format!("{other:?}"),
        };
        match properties {
            Ok(list) => {
                list.iter().map(|property| format!("{}={}", property.name, text(&property.value))).collect()
            }
            Err(error) => vec![format!("error: {error}")],
        }
    }

    fn on_v2(config: serde_json::Value, now: &[(&str, &str)], version: u32) -> Vec<String> {
        let (config, now) = (resources(config), files(now));
        let config = round_quota(&config, period_now(&now));
        let writes: Vec<Write> =
            v2::CONTROLLERS.iter().flat_map(|(_, rules)| rules(&config, &now).unwrap()).collect();
        shown(of_unified(&writes, config.unified().as_ref(), &now, version))
    }

    #[test]
    fn limits_of_v2_become_properties() {
        let new = 257;
        let table = [
            (json!({}), new, vec![]),
            (
                json!({"memory": {"limit": 100, "swap": 300, "reservation": 50}}),
                new,
                vec!["MemorySwapMax=200", "MemoryMax=100", "MemoryLow=50"],
            ),
            (json!({"memory": {"limit": -1}}), new, vec!["MemoryMax=infinity"]),
            (json!({"pids": {"limit": 20}}), new, vec!["TasksMax=20"]),
            (json!({"pids": {"limit": -1}}), new, vec!["TasksMax=infinity"]),
            (json!({"pids": {"limit": 0}}), new, vec!["TasksMax=1"]),
            (json!({"cpu": {"shares": 1024}}), new, vec!["CPUWeight=100"]),
            (json!({"cpu": {"shares": 1024, "idle": 1}}), new, vec!["CPUWeight=0"]),
            (json!({"cpu": {"shares": 1024, "idle": 1}}), 251, vec!["CPUWeight=100"]),
            (
                json!({"cpu": {"quota": 5000, "period": 100_000}}),
                new,
                vec!["CPUQuotaPeriodUSec=100000", "CPUQuotaPerSecUSec=50000"],
            ),
            (json!({"cpu": {"quota": 5000, "period": 100_000}}), 241, vec!["CPUQuotaPerSecUSec=50000"]),
            (json!({"cpu": {"quota": 5000}}), new, vec!["CPUQuotaPerSecUSec=50000"]),
            (
                json!({"cpu": {"quota": -1, "period": 50_000}}),
                new,
                vec!["CPUQuotaPeriodUSec=50000", "CPUQuotaPerSecUSec=infinity"],
            ),
            (
                json!({"cpu": {"cpus": "0,9-10", "mems": "0"}}),
                new,
                vec!["AllowedCPUs=[(1), (6)]", "AllowedMemoryNodes=[(1)]"],
            ),
            (json!({"cpu": {"cpus": "0"}}), 243, vec![]),
            (json!({"blockIO": {"weight": 1000}}), new, vec!["IOWeight=10000"]),
        ];
        for (config, version, expected) in table {
            assert_eq!(on_v2(config.clone(), &[], version), expected, "{config} {version}");
        }
    }

    #[test]
    fn unified_overrides_and_what_has_no_property_is_left_out() {
        let config = json!({"memory": {"limit": 100}, "unified": {
            "memory.max": "max", "memory.min": " 5\n", "memory.high": "7", "cpu.max": "10000 50000", "cpu.weight": "42",
            "hugetlb.2MB.max": "0", "pids.max": "0", "cpuset.cpus": "1"}});
        let expected = [
            "MemoryMax=infinity",
            "CPUQuotaPeriodUSec=50000",
            "CPUQuotaPerSecUSec=200000",
            "CPUWeight=42",
            "AllowedCPUs=[(2)]",
            "MemoryHigh=7",
            "MemoryMin=5",
            "TasksMax=1",
        ];
        assert_eq!(on_v2(config, &[], 257), expected);
        let idle = json!({"unified": {"cpu.idle": "1", "cpu.weight": "42"}});
        assert_eq!(on_v2(idle, &[], 257), ["CPUWeight=0"]);
        let wrong = on_v2(json!({"unified": {"memory.max": "lots"}}), &[], 257);
        assert!(wrong[0].contains("/linux/resources/unified/memory.max"), "{wrong:?}");
    }

    #[test]
    fn a_quota_is_rounded_up_to_a_percent_the_same_for_both() {
        for (quota, period, per_second, written) in [
            (20_000, 100_000, 200_000, 20_000),
            (64_100, 100_000, 650_000, 65_000),
            (1, 100_000, 10_000, 1000),
            (2001, 10_000, 210_000, 2100),
        ] {
            assert_eq!(rounded(quota, period), (per_second, written), "{quota}/{period}");
            let config = resources(json!({"cpu": {"quota": quota, "period": period}}));
            let cpu = round_quota(&config, 1).cpu().clone().unwrap();
            assert_eq!(cpu.quota(), Some(written as i64));
        }
        // Without a period, by the one that is in force.
        let now = files(&[("cpu.max", "max 10000\n")]);
        let config = round_quota(&resources(json!({"cpu": {"quota": 2001}})), period_now(&now));
        assert_eq!(config.cpu().as_ref().unwrap().quota(), Some(2100));
        let endless = round_quota(&resources(json!({"cpu": {"quota": i64::MAX, "period": 999_999}})), 1);
        assert_eq!(endless.cpu().as_ref().unwrap().quota(), Some(i64::MAX));
        let lifted = resources(json!({"cpu": {"quota": -1}}));
        assert_eq!(round_quota(&lifted, 100_000), lifted);
    }

    #[test]
    fn limits_of_v1_become_the_properties_of_v1() {
        let config =
            resources(json!({"memory": {"limit": 100}, "pids": {"limit": 5}, "blockIO": {"weight": 500},
            "cpu": {"shares": 512, "quota": 5000, "period": 50_000, "cpus": "0-1"}}));
        let now = files(&[("blkio.weight", "10")]);
        let writes: Vec<Write> = v1::CONTROLLERS
            .iter()
            .filter(|(name, _)| *name != "devices")
            .flat_map(|(_, rules)| rules(&config, &now).unwrap())
            .collect();
        let mut found = shown(of_legacy(&writes, 100_000, 245));
        found.sort();
        let expected = [
            "AllowedCPUs=[(3)]",
            "BlockIOWeight=500",
            "CPUQuotaPerSecUSec=100000",
            "CPUQuotaPeriodUSec=50000",
            "CPUShares=512",
            "MemoryLimit=100",
            "TasksMax=5",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_scope_starts_with_its_process_and_delegated() {
        let scope = Unit::of(Some("a.slice:p:n"), "id", Instance::System).unwrap();
        let config = resources(json!({"unified": {"memory.oom.group": "1"}}));
        let annotation = [Property::new("CollectMode", Value::text("inactive"))];
        let expected = [
            "Description=libcontainer container n",
            "Slice=a.slice",
            "Delegate=true",
            "PIDs=[(7)]",
            "MemoryAccounting=true",
            "CPUAccounting=true",
            "IOAccounting=true",
            "TasksAccounting=true",
            "DefaultDependencies=false",
            "OOMPolicy=kill",
            "CollectMode=inactive",
        ];
        assert_eq!(shown(Ok(of_start(&scope, 7, &config, &annotation, 257))), expected);
        let old = shown(Ok(of_start(&scope, 7, &config, &[], 235)));
        assert!(!old.iter().any(|property| property.starts_with("OOMPolicy")), "{old:?}");

        let slice = Unit::of(Some("a.slice:p:a-b.slice"), "id", Instance::System).unwrap();
        let properties = shown(Ok(of_start(&slice, 7, &config, &[], 257)));
        assert!(properties[1].starts_with("Wants=") && properties[1].contains("a.slice"), "{properties:?}");
        assert!(
            !properties
                .iter()
                .any(|property| property.starts_with("PIDs") || property.starts_with("Delegate"))
        );
    }
}
