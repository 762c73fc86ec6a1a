//! blkio of v1: weights and throttles.

use oci_spec::runtime::{LinuxBlockIo, LinuxResources, LinuxThrottleDevice};

use crate::cgroup::write::{Current, List, Write, given};
use crate::report::Result;

type Throttle = (fn(&LinuxBlockIo) -> &Option<Vec<LinuxThrottleDevice>>, &'static str, &'static str);

const THROTTLES: [Throttle; 4] = [
    (LinuxBlockIo::throttle_read_bps_device, "blkio.throttle.read_bps_device", "throttleReadBpsDevice"),
    (LinuxBlockIo::throttle_write_bps_device, "blkio.throttle.write_bps_device", "throttleWriteBpsDevice"),
    (LinuxBlockIo::throttle_read_iops_device, "blkio.throttle.read_iops_device", "throttleReadIOPSDevice"),
    (LinuxBlockIo::throttle_write_iops_device, "blkio.throttle.write_iops_device", "throttleWriteIOPSDevice"),
];

pub fn writes(resources: &LinuxResources, now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("blkio");
    let Some(block_io) = resources.block_io() else { return list.done() };
    weights(block_io, now, &mut list)?;
    for (devices, file, field) in THROTTLES {
        for (index, device) in devices(block_io).iter().flatten().enumerate() {
            let line = format!("{}:{} {}", device.major(), device.minor(), device.rate());
            list.push(file, line, &format!("blockIO/{field}/{index}"));
        }
    }
    list.done()
}

/// CFQ's `blkio.weight` went with Linux 5.0; BFQ has its own file.
fn weights(block_io: &LinuxBlockIo, now: &dyn Current, list: &mut List) -> Result<()> {
    let weight = given(block_io.weight());
    let devices = block_io.weight_device().as_deref().unwrap_or_default();
    let file = match (weight.is_some() || !devices.is_empty()) && now.read("blkio.weight")?.is_none() {
        true => "blkio.bfq.weight",
        false => "blkio.weight",
    };
    if let Some(weight) = weight {
        list.push(file, weight, "blockIO/weight");
    }
    if let Some(weight) = given(block_io.leaf_weight()) {
        list.push("blkio.leaf_weight", weight, "blockIO/leafWeight");
    }
    for (index, device) in devices.iter().enumerate() {
        let (major, minor) = (device.major(), device.minor());
        if let Some(weight) = given(device.weight()) {
            let field = format!("blockIO/weightDevice/{index}/weight");
            list.push(format!("{file}_device"), format!("{major}:{minor} {weight}"), &field);
        }
        if let Some(weight) = given(device.leaf_weight()) {
            let field = format!("blockIO/weightDevice/{index}/leafWeight");
            list.push("blkio.leaf_weight_device", format!("{major}:{minor} {weight}"), &field);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cgroup::write::testing::{files, lines, resources};

    #[test]
    fn weights_go_to_the_file_that_the_kernel_has() {
        let config = resources(json!({"blockIO": {"weight": 333, "leafWeight": 5,
            "weightDevice": [{"major": 8, "minor": 0, "weight": 444, "leafWeight": 6}]}}));
        let bfq = [
            "blkio.bfq.weight 333",
            "blkio.leaf_weight 5",
            "blkio.bfq.weight_device 8:0 444",
            "blkio.leaf_weight_device 8:0 6",
        ];
        assert_eq!(lines(writes(&config, &files(&[]))), bfq);
        let cfq = lines(writes(&config, &files(&[("blkio.weight", "500")])));
        assert_eq!((cfq[0].as_str(), cfq[2].as_str()), ("blkio.weight 333", "blkio.weight_device 8:0 444"));
    }

    #[test]
    fn every_throttle_has_its_file_and_pointer() {
        let device = json!([{"major": 8, "minor": 16, "rate": 1024}]);
        let config = resources(json!({"blockIO": {
            "throttleReadBpsDevice": device, "throttleWriteBpsDevice": device,
            "throttleReadIOPSDevice": device, "throttleWriteIOPSDevice": device}}));
        let writes = writes(&config, &files(&[])).unwrap();
        let files: Vec<&str> = writes.iter().map(|write| write.file.as_str()).collect();
        assert_eq!(files, THROTTLES.map(|(_, file, _)| file));
        assert!(writes.iter().all(|write| write.value == "8:16 1024"));
        assert_eq!(writes[2].pointer, "/linux/resources/blockIO/throttleReadIOPSDevice/0");
    }
}
