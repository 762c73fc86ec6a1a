//! Words of the spec that this runtime knows, for the `features` command (features.md). Mount options are in
//! `mount_options`, capabilities in `linux::capability`.

use crate::linux::namespace::Kind;

/// The versions of the runtime-spec that a config may name.
pub const OCI_VERSION_MIN: &str = "1.0.0";
pub const OCI_VERSION_MAX: &str = "1.3.0";

/// In the order in which they run.
pub fn hooks() -> &'static [&'static str] {
    &["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
}

/// Sorted.
pub fn namespaces() -> Vec<&'static str> {
    let mut names = Kind::ALL.map(Kind::spec_name).to_vec();
    names.sort_unstable();
    names
}

pub fn memory_policy_modes() -> &'static [&'static str] {
    &[
        "MPOL_BIND",
        "MPOL_DEFAULT",
        "MPOL_INTERLEAVE",
        "MPOL_LOCAL",
        "MPOL_PREFERRED",
        "MPOL_PREFERRED_MANY",
        "MPOL_WEIGHTED_INTERLEAVE",
    ]
}

pub fn memory_policy_flags() -> &'static [&'static str] {
    &["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"]
}

pub fn seccomp_actions() -> &'static [&'static str] {
    &[
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_ERRNO",
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_LOG",
        "SCMP_ACT_NOTIFY",
        "SCMP_ACT_TRACE",
        "SCMP_ACT_TRAP",
    ]
}

pub fn seccomp_operators() -> &'static [&'static str] {
    &[
        "SCMP_CMP_EQ",
        "SCMP_CMP_GE",
        "SCMP_CMP_GT",
        "SCMP_CMP_LE",
        "SCMP_CMP_LT",
        "SCMP_CMP_MASKED_EQ",
        "SCMP_CMP_NE",
    ]
}

pub fn seccomp_architectures() -> &'static [&'static str] {
    &[
        "SCMP_ARCH_AARCH64",
        "SCMP_ARCH_ARM",
        "SCMP_ARCH_LOONGARCH64",
        "SCMP_ARCH_MIPS",
        "SCMP_ARCH_MIPS64",
        "SCMP_ARCH_MIPS64N32",
        "SCMP_ARCH_MIPSEL",
        "SCMP_ARCH_MIPSEL64",
        "SCMP_ARCH_MIPSEL64N32",
        "SCMP_ARCH_PPC",
        "SCMP_ARCH_PPC64",
        "SCMP_ARCH_PPC64LE",
        "SCMP_ARCH_RISCV64",
        "SCMP_ARCH_S390",
        "SCMP_ARCH_S390X",
        "SCMP_ARCH_X32",
        "SCMP_ARCH_X86",
        "SCMP_ARCH_X86_64",
    ]
}

/// Every flag that a profile may name. `SECCOMP_FILTER_FLAG_TSYNC` is accepted and does nothing: a container's first
/// process has one thread.
pub fn seccomp_flags() -> &'static [&'static str] {
    &[
        "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_LOG",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::*;
    use serde::de::DeserializeOwned;

    #[track_caller]
    fn parses_as<T: DeserializeOwned>(words: &[&str]) {
        for word in words {
            serde_json::from_value::<T>((*word).into()).unwrap_or_else(|error| panic!("{word}: {error}"));
        }
    }

    #[test]
    fn every_word_we_claim_to_know_is_one_a_config_may_say() {
        parses_as::<LinuxNamespaceType>(&namespaces());
        parses_as::<MemoryPolicyModeType>(memory_policy_modes());
        parses_as::<MemoryPolicyFlagType>(memory_policy_flags());
        parses_as::<LinuxSeccompAction>(seccomp_actions());
        parses_as::<LinuxSeccompOperator>(seccomp_operators());
        parses_as::<Arch>(seccomp_architectures());
        parses_as::<LinuxSeccompFilterFlag>(seccomp_flags());
    }

    #[test]
    fn every_word_that_a_config_may_say_is_one_we_claim_to_know() {
        // The match does not compile without a new one.
        let modes = |mode: MemoryPolicyModeType| match mode {
            MemoryPolicyModeType::MpolDefault
            | MemoryPolicyModeType::MpolPreferred
            | MemoryPolicyModeType::MpolBind
            | MemoryPolicyModeType::MpolInterleave
            | MemoryPolicyModeType::MpolLocal
            | MemoryPolicyModeType::MpolPreferredMany
            | MemoryPolicyModeType::MpolWeightedInterleave => 7,
        };
        assert_eq!(memory_policy_modes().len(), modes(MemoryPolicyModeType::MpolDefault));
        let actions = |action: LinuxSeccompAction| match action {
            LinuxSeccompAction::ScmpActKill
            | LinuxSeccompAction::ScmpActKillThread
            | LinuxSeccompAction::ScmpActKillProcess
            | LinuxSeccompAction::ScmpActTrap
            | LinuxSeccompAction::ScmpActErrno
            | LinuxSeccompAction::ScmpActNotify
            | LinuxSeccompAction::ScmpActTrace
            | LinuxSeccompAction::ScmpActLog
            | LinuxSeccompAction::ScmpActAllow => 9,
        };
        assert_eq!(seccomp_actions().len(), actions(LinuxSeccompAction::ScmpActKill));
        let flags = |flag: LinuxSeccompFilterFlag| match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagLog
            | LinuxSeccompFilterFlag::SeccompFilterFlagTsync
            | LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow
            | LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => 4,
        };
        assert_eq!(seccomp_flags().len(), flags(LinuxSeccompFilterFlag::SeccompFilterFlagLog));
        let all: Hooks = serde_json::from_value(
            hooks()
                .iter()
                .map(|name| (name.to_string(), serde_json::json!([])))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        )
        .unwrap();
        let kinds = [
            all.prestart(),
            all.create_runtime(),
            all.create_container(),
            all.start_container(),
            all.poststart(),
            all.poststop(),
        ];
        assert!(kinds.iter().all(|hooks| hooks.is_some()) && kinds.len() == hooks().len());
    }
}
