//! What a group is given and uses, as callers of runc decode it.

use serde::Serialize;

use super::Group;
use crate::linux::resctrl::{self, Resctrl};
use crate::report::{Context, Error, Result};

/// Fields in runc's order and names; the default is that of a container without a group.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    #[serde(skip_serializing_if = "Option::is_none")]
    l3_cache_info: Option<CacheInfo>,
    #[serde(skip_serializing_if = "String::is_empty")]
    l3_cache_schema_root: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    l3_cache_schema: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mem_bw_info: Option<BandwidthInfo>,
    #[serde(skip_serializing_if = "String::is_empty")]
    mem_bw_schema_root: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    mem_bw_schema: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    schemata: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mbm_stats: Option<Vec<Bandwidth>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmt_stats: Option<Vec<Occupancy>>,
}

#[derive(Debug, PartialEq, Serialize)]
struct CacheInfo {
    cbm_mask: String,
    min_cbm_bits: u64,
    num_closids: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct BandwidthInfo {
    bandwidth_gran: u64,
    delay_linear: u64,
    min_bandwidth: u64,
    num_closids: u64,
}

/// Bytes since the group was made, of one cache's domain.
#[derive(Debug, PartialEq, Serialize)]
struct Bandwidth {
    mbm_total_bytes: u64,
    mbm_local_bytes: u64,
}

/// Bytes of the last-level cache that the group has now.
#[derive(Debug, PartialEq, Serialize)]
struct Occupancy {
    llc_occupancy: u64,
}

/// The statistics of this moment. Without a monitoring group they are those of all that share the class.
pub fn of(group: &Group) -> Result<Stats> {
    let resctrl = group.resctrl();
    let root = lines(&group.root)?;
    let own = lines(&group.directory)?;
    let mut stats = Stats::default();
    if resctrl.has("L3") {
        stats.l3_cache_info = Some(CacheInfo {
            cbm_mask: text(&resctrl, "L3", "cbm_mask")?,
            min_cbm_bits: number(&resctrl, "L3", "min_cbm_bits")?,
            num_closids: number(&resctrl, "L3", "num_closids")?,
        });
        stats.l3_cache_schema_root = line_of(&root, "L3");
        stats.l3_cache_schema = line_of(&own, "L3");
    }
    if resctrl.has("MB") {
        stats.mem_bw_info = Some(BandwidthInfo {
            bandwidth_gran: number(&resctrl, "MB", "bandwidth_gran")?,
            delay_linear: number(&resctrl, "MB", "delay_linear")?,
            min_bandwidth: number(&resctrl, "MB", "min_bandwidth")?,
            num_closids: number(&resctrl, "MB", "num_closids")?,
        });
        stats.mem_bw_schema_root = line_of(&root, "MB");
        stats.mem_bw_schema = line_of(&own, "MB");
    }
    stats.schemata = own;
    if resctrl.has("L3_MON") {
        monitor(group, &resctrl, &mut stats)?;
    }
    Ok(stats)
}

fn monitor(group: &Group, resctrl: &Resctrl, stats: &mut Stats) -> Result<()> {
    let features = text(resctrl, "L3_MON", "mon_features")?;
    let has = |feature: &str| features.lines().any(|line| line.trim() == feature);
    let data = group.monitoring.as_ref().unwrap_or(&group.directory).join("mon_data");
    let domains = resctrl::directories(&data).with_context(|| format!("list {data:?}"))?;
    let count = |domain: &String, feature: &str| match has(feature) {
        true => {
            let file = data.join(domain).join(feature);
            // The hardware has no number for now: the kernel says `Unavailable`.
            let found = resctrl::read(&file).with_context(|| format!("read {file:?}"))?;
            Ok::<u64, Error>(found.parse().unwrap_or(0))
        }
        false => Ok(0),
    };
    if has("mbm_total_bytes") || has("mbm_local_bytes") {
        let bandwidth = |domain| -> Result<Bandwidth> {
            Ok(Bandwidth {
                mbm_total_bytes: count(domain, "mbm_total_bytes")?,
                mbm_local_bytes: count(domain, "mbm_local_bytes")?,
            })
        };
        stats.mbm_stats = Some(domains.iter().map(bandwidth).collect::<Result<_>>()?);
    }
    if has("llc_occupancy") {
        let occupancy = |domain| -> Result<Occupancy> {
            Ok(Occupancy { llc_occupancy: count(domain, "llc_occupancy")? })
        };
        stats.cmt_stats = Some(domains.iter().map(occupancy).collect::<Result<_>>()?);
    }
    Ok(())
}

fn lines(directory: &std::path::Path) -> Result<Vec<String>> {
    let file = directory.join("schemata");
    let text = resctrl::read(&file).with_context(|| format!("read {file:?}"))?;
    Ok(text.lines().map(|line| line.trim().to_owned()).collect())
}

fn line_of(lines: &[String], resource: &str) -> String {
    lines.iter().find(|line| line.starts_with(resource)).cloned().unwrap_or_default()
}

fn text(resctrl: &Resctrl, resource: &str, file: &str) -> Result<String> {
    resctrl.read_info(resource, file).with_context(|| format!("read info/{resource}/{file} of resctrl"))
}

fn number(resctrl: &Resctrl, resource: &str, file: &str) -> Result<u64> {
    let text = text(resctrl, resource, file)?;
    text.parse().with_context(|| format!("read info/{resource}/{file} of resctrl: {text:?}"))
}
