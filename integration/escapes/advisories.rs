//! Every advisory that we know of, and that each has a test of its name here: its number stands in the name.
//! (GHSA-4g74-7cff-xcv8 is CVE-2025-62161, GHSA-7vwr-4279-7gq5 CVE-2026-47766, GHSA-vf95-55w6-qmrf CVE-2025-62596.)

use std::fs;
use std::path::Path;

use crate::support::{Outcome, skip};

/// Of runc and libcontainer.
const RUNC: [&str; 29] = [
    "CVE-2015-3627",
    "CVE-2015-3629",
    "CVE-2015-3630",
    "CVE-2015-3631",
    "CVE-2016-3697",
    "CVE-2016-9962",
    "CVE-2019-5736",
    "CVE-2019-16884",
    "CVE-2019-19921",
    "GHSA-g54h-m393-cpwq",
    "CVE-2021-30465",
    "CVE-2021-43784",
    "CVE-2022-29162",
    "CVE-2022-24769",
    "CVE-2022-27649",
    "CVE-2022-27652",
    "CVE-2023-25809",
    "CVE-2023-27561",
    "CVE-2023-28642",
    "CVE-2024-21626",
    "CVE-2024-45310",
    "CVE-2025-31133",
    "CVE-2025-52565",
    "CVE-2025-52881",
    "CVE-2026-41579",
    "CVE-2026-119101",
    "CVE-2026-61801",
    "runc-1.5.2",
    "runc-pr-5479",
];

const CRUN: [&str; 11] = [
    "CVE-2019-18837",
    "CVE-2022-27650",
    "CVE-2025-24965",
    "CVE-2026-30892",
    "CVE-2026-47766",
    "CVE-2026-84042",
    "CVE-2026-88264",
    "CVE-2026-88265",
    "CVE-2026-115520",
    "CVE-2026-115521",
    "crun-1.28",
];

const YOUKI: [&str; 5] =
    ["CVE-2025-27612", "CVE-2025-54867", "CVE-2025-62161", "CVE-2025-62596", "GHSA-3q8j-pf29-vwv8"];

/// Of what stands around a runtime and is attacked in the same ways: LXC, bubblewrap, the kernel, containerd, CRI-O,
/// NVIDIA's toolkit, moby, umoci, Rust's library.
const NEIGHBOURS: [&str; 25] = [
    "CVE-2015-1334",
    "CVE-2016-8649",
    "CVE-2016-10124",
    "CVE-2017-5226",
    "CVE-2016-8659",
    "CVE-2026-41163",
    "CVE-2020-5291",
    "CVE-2014-8989",
    "CVE-2026-46333",
    "CVE-2022-0847",
    "CVE-2026-31431",
    "CVE-2024-40635",
    "CVE-2026-46680",
    "CVE-2026-47262",
    "CVE-2026-53492",
    "CVE-2026-53489",
    "GO-2026-6791",
    "CVE-2022-0811",
    "GHSA-w2j5-3rcx-vx7x",
    "CVE-2024-3154",
    "CVE-2025-23266",
    "CVE-2024-0132",
    "CVE-2019-14271",
    "CVE-2021-29136",
    "CVE-2022-21658",
];

#[test]
fn every_advisory_has_a_test_of_its_name() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/escapes");
    if !folder.exists() {
        return skip("the suite is not run where its sources are");
    }
    let mut names = String::new();
    for file in fs::read_dir(folder)? {
        let text = fs::read_to_string(file?.path())?;
        let functions = text.lines().filter(|line| line.starts_with("fn ")).map(str::to_string);
        names.extend(functions.map(|line| line + "\n"));
    }
    let has_test = |id: &&&str| {
        // A test for several has the year once: `cve_2026_119101_115520_…`.
        let number = match id.split('-').collect::<Vec<_>>()[..] {
            ["CVE", _, number] => format!("_{number}_"),
            ["GHSA", start, ..] => format!("ghsa_{start}_"),
            _ => id.to_lowercase().replace(['-', '.'], "_"),
        };
        names.contains(&number)
    };
    let all = RUNC.iter().chain(&CRUN).chain(&YOUKI).chain(&NEIGHBOURS);
    let without: Vec<_> = all.filter(|id| !has_test(id)).collect();
    assert!(without.is_empty(), "no test is named by {without:?}");
    Ok(())
}
