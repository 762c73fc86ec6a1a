//! linux.memoryPolicy (config-linux.md#memory-policy).

use oci_spec::runtime::{MemoryPolicyFlagType as Flag, MemoryPolicyModeType as Mode, Spec};

use super::types::{Action, Step};
use super::words::{Words, meaning};
use crate::bundle::number_list;
use crate::report::Result;

/// linux/mempolicy.h
pub const MODES: Words<Mode, u32> = &[
    ("MPOL_BIND", Mode::MpolBind, 2),
    ("MPOL_DEFAULT", Mode::MpolDefault, 0),
    ("MPOL_INTERLEAVE", Mode::MpolInterleave, 3),
    ("MPOL_LOCAL", Mode::MpolLocal, 4),
    ("MPOL_PREFERRED", Mode::MpolPreferred, 1),
    ("MPOL_PREFERRED_MANY", Mode::MpolPreferredMany, 5),
    ("MPOL_WEIGHTED_INTERLEAVE", Mode::MpolWeightedInterleave, 6),
];
pub const FLAGS: Words<Flag, u32> = &[
    ("MPOL_F_NUMA_BALANCING", Flag::MpolFNumaBalancing, 1 << 13),
    ("MPOL_F_RELATIVE_NODES", Flag::MpolFRelativeNodes, 1 << 14),
    ("MPOL_F_STATIC_NODES", Flag::MpolFStaticNodes, 1 << 15),
];

/// `man 2 set_mempolicy`
pub fn memory_policy(spec: &Spec) -> Result<Option<Step>> {
    let Some(policy) = spec.linux().as_ref().and_then(|linux| linux.memory_policy().as_ref()) else {
        return Ok(None);
    };
    let mode = *meaning(MODES, policy.mode())?;
    let mut flags = 0;
    for flag in policy.flags().iter().flatten() {
        flags |= meaning(FLAGS, *flag)?;
    }
    let nodes = number_list::tidy(policy.nodes().as_deref().unwrap_or_default());
    Ok(Some(Action::SetMemoryPolicy { mode, flags, nodes }.at("/linux/memoryPolicy")))
}
