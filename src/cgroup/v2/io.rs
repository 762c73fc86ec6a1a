//! io of v2: weights (from v1's blkio), and limits by device.

use oci_spec::runtime::{LinuxBlockIo, LinuxResources, LinuxThrottleDevice};

use crate::cgroup::write::{Current, List, Write, given, invalid, unsupported};
use crate::report::Result;

type Throttle = (fn(&LinuxBlockIo) -> &Option<Vec<LinuxThrottleDevice>>, &'static str, &'static str);

const THROTTLES: [Throttle; 4] = [
    (LinuxBlockIo::throttle_read_bps_device, "rbps", "throttleReadBpsDevice"),
    (LinuxBlockIo::throttle_write_bps_device, "wbps", "throttleWriteBpsDevice"),
    (LinuxBlockIo::throttle_read_iops_device, "riops", "throttleReadIOPSDevice"),
    (LinuxBlockIo::throttle_write_iops_device, "wiops", "throttleWriteIOPSDevice"),
];

pub fn writes(resources: &LinuxResources, now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("io");
    let Some(block_io) = resources.block_io() else { return list.done() };
    refuse_leaf_weights(block_io)?;
    weights(block_io, now, &mut list)?;
    for (devices, key, field) in THROTTLES {
        for (index, device) in devices(block_io).iter().flatten().enumerate() {
            // v1 lifts a limit with 0, v2 with max.
            let rate = match device.rate() {
                0 => "max".to_owned(),
                rate => rate.to_string(),
            };
            let line = format!("{}:{} {key}={rate}", device.major(), device.minor());
            list.push("io.max", line, &format!("blockIO/{field}/{index}"));
        }
    }
    list.done()
}

/// BFQ keeps v1's range of weights; `io.weight` (iocost) has its own.
fn weights(block_io: &LinuxBlockIo, now: &dyn Current, list: &mut List) -> Result<()> {
    let weight = given(block_io.weight());
    let devices = block_io.weight_device().as_deref().unwrap_or_default();
    if weight.is_none() && devices.is_empty() {
        return Ok(());
    }
    let bfq = now.read("io.bfq.weight")?.is_some();
    let file = if bfq { "io.bfq.weight" } else { "io.weight" };
    let convert = |weight, field: &str| if bfq { Ok(u64::from(weight)) } else { io_weight(weight, field) };
    if let Some(weight) = weight {
        list.push(file, convert(weight, "blockIO/weight")?, "blockIO/weight");
    }
    for (index, device) in devices.iter().enumerate() {
        let field = format!("blockIO/weightDevice/{index}/weight");
        if let Some(weight) = given(device.weight()) {
            let line = format!("{}:{} {}", device.major(), device.minor(), convert(weight, &field)?);
            list.push(file, line, &field);
        }
    }
    Ok(())
}

/// 10..=1000 onto 1..=10000, linearly.
fn io_weight(weight: u16, field: &str) -> Result<u64> {
    if !(10..=1000).contains(&weight) {
        return Err(invalid(field, format!("invalid block IO weight {weight} (valid range is 10-1000)")));
    }
    Ok(1 + (u64::from(weight) - 10) * 9999 / 990)
}

fn refuse_leaf_weights(block_io: &LinuxBlockIo) -> Result<()> {
    if block_io.leaf_weight().is_some_and(|weight| weight != 0) {
        return Err(unsupported("blockIO/leafWeight", "cgroup v2 has no blkio.leaf_weight"));
    }
    let devices = block_io.weight_device().as_deref().unwrap_or_default();
    match devices.iter().position(|device| device.leaf_weight().is_some_and(|weight| weight != 0)) {
        Some(index) => {
            let field = format!("blockIO/weightDevice/{index}/leafWeight");
            Err(unsupported(&field, "cgroup v2 has no blkio.leaf_weight_device"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cgroup::write::testing::{files, lines, resources};

    fn io(config: serde_json::Value, now: &[(&str, &str)]) -> Vec<String> {
        lines(writes(&resources(json!({"blockIO": config})), &files(now)))
    }

    #[test]
    fn weights_are_converted_unless_bfq_takes_them_as_they_are() {
        let config = json!({"weight": 750, "weightDevice": [{"major": 8, "minor": 0, "weight": 10}]});
        assert_eq!(io(config.clone(), &[]), ["io.weight 7475", "io.weight 8:0 1"]);
        let bfq = io(config, &[("io.bfq.weight", "default 100\n")]);
        assert_eq!(bfq, ["io.bfq.weight 750", "io.bfq.weight 8:0 10"]);
        assert_eq!(io(json!({"weight": 1000}), &[]), ["io.weight 10000"]);
        assert!(io(json!({"weight": 9}), &[])[0].contains("/linux/resources/blockIO/weight"));
    }

    #[test]
    fn throttles_become_lines_of_io_max() {
        let device = json!([{"major": 8, "minor": 16, "rate": 1024}]);
        let config = json!({"throttleReadBpsDevice": device, "throttleWriteBpsDevice": device,
                            "throttleReadIOPSDevice": device,
                            "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 0}]});
        let expected = [
            "io.max 8:16 rbps=1024",
            "io.max 8:16 wbps=1024",
            "io.max 8:16 riops=1024",
            "io.max 8:16 wiops=max",
        ];
        assert_eq!(io(config, &[]), expected);
    }

    #[test]
    fn leaf_weights_are_refused_by_name() {
        assert!(io(json!({"leafWeight": 5}), &[])[0].contains("/linux/resources/blockIO/leafWeight"));
        let device = json!({"weightDevice": [{"major": 8, "minor": 0, "leafWeight": 5}]});
        assert!(io(device, &[])[0].contains("/linux/resources/blockIO/weightDevice/0/leafWeight"));
    }
}
