//! What CRIU is told: every flag arrives, in the field of CRIU's that is meant for it.

use std::fs;

use super::stand_in::{Deed, StandIn};
use super::with_stand_in;
use crate::support::{Container, Outcome};

/// Fields of `criu_opts` (criu/images/rpc.proto).
const FLAGS: [(&str, u64); 6] = [
    ("--ext-unix-sk", 4),
    ("--tcp-established", 5),
    ("--shell-job", 7),
    ("--file-locks", 8),
    ("--auto-dedup", 16),
    ("--lazy-pages", 48),
];
const CLONE_NEWNET: u64 = 0x4000_0000;

/// A container whose checkpoint has been made, as far as `restore` looks at it before it asks CRIU.
fn saved() -> anyhow::Result<Container> {
    let container = Container::new()?;
    fs::create_dir(container.path("images"))?;
    fs::write(container.path("images/descriptors.json"), "[\"\",\"\",\"\"]")?;
    Ok(container)
}

#[test]
fn each_flag_of_a_checkpoint_is_told() -> Outcome {
    with_stand_in(|| {
        let container = Container::new()?;
        container.detach()?;
        let stand_in = StandIn::new(&container, Deed::Fails)?;
        let own = [("--leave-running", 3), ("--link-remap", 18), ("--tcp-skip-in-flight", 46)];
        for (flag, field) in FLAGS.into_iter().chain(own) {
            for (flags, expected) in [(&[flag][..], 1), (&[], 0)] {
                stand_in.command(&container, "checkpoint", flags)?.fails(1, "criu failed to dump");
                assert_eq!(stand_in.options()?.number(field), Some(expected), "{flags:?}");
            }
        }
        let options = stand_in.options()?;
        assert_eq!(options.number(2), Some(container.init()?.pid as u64));
        assert_eq!(options.text(10).as_deref(), Some("dump.log"));
        assert_eq!(
            options.number(38),
            Some(CLONE_NEWNET),
            "the network namespace is empty, asked for or not"
        );
        assert_eq!(
            (options.number(50), options.number(12)),
            (Some(1), Some(1)),
            "orphan terminals, notifications"
        );
        assert_eq!(
            (options.text(14), options.number(15), options.text(51)),
            (None, None, Some("/etc/criu/runc.conf".into()))
        );

        fs::create_dir(container.path("first"))?;
        let flags = ["--page-server", "[::1]:2742", "--parent-path", "../first", "--empty-ns", "network"];
        stand_in.command(&container, "checkpoint", &flags)?.fails(1, "criu failed to dump");
        let options = stand_in.options()?;
        let server = options.message(11)?;
        assert_eq!((server.text(1).as_deref(), server.number(2)), (Some("::1"), Some(2742)));
        assert_eq!((options.text(14).as_deref(), options.number(15)), (Some("../first"), Some(1)));
        assert_eq!(container.status()?, "running");
        Ok(())
    })
}

#[test]
fn each_flag_of_a_restore_is_told() -> Outcome {
    with_stand_in(|| {
        let container = saved()?;
        let stand_in = StandIn::new(&container, Deed::Fails)?;
        let restore = |flags: &[&str]| -> anyhow::Result<_> {
            stand_in
                .command(&container, "restore", &[flags, &["--detach"]].concat())?
                .fails(1, "criu failed to restore");
            assert_eq!(container.leftovers()?, Vec::<String>::new());
            stand_in.options()
        };
        for (flag, field) in FLAGS.into_iter().chain([("--tcp-close", 52)]) {
            assert_eq!(restore(&[flag])?.number(field), Some(1), "{flag}");
        }
        let plain = restore(&[])?;
        for (flag, field) in FLAGS {
            assert_eq!(plain.number(field), Some(0), "{flag}");
        }
        assert_eq!((plain.number(52), plain.text(53), plain.text(63)), (None, None, None));
        assert_eq!(plain.text(10).as_deref(), Some("restore.log"));
        for of_network in [plain, restore(&["--empty-ns", "network"])?] {
            assert_eq!(of_network.number(38), Some(CLONE_NEWNET));
        }
        Ok(())
    })
}

#[test]
fn a_security_module_s_profile_and_mount_context_are_told_as_they_are() -> Outcome {
    with_stand_in(|| {
        let container = saved()?;
        let stand_in = StandIn::new(&container, Deed::Fails)?;
        let context = "system_u:object_r:container_file_t:s0:c1,c2";
        let flags = ["--lsm-profile", "apparmor:web", "--lsm-mount-context", context, "--detach"];
        stand_in.command(&container, "restore", &flags)?.fails(1, "criu failed to restore");
        let options = stand_in.options()?;
        assert_eq!(options.text(53).as_deref(), Some("apparmor:web"));
        assert_eq!(options.text(63).as_deref(), Some(context));
        Ok(())
    })
}

#[test]
fn modes_have_criu_s_numbers() -> Outcome {
    with_stand_in(|| {
        let container = saved()?;
        let stand_in = StandIn::new(&container, Deed::Fails)?;
        let cases: [(&[&str], u64, Option<u64>); 9] = [
            (&["--manage-cgroups-mode", "ignore"], 34, Some(0)),
            (&["--manage-cgroups-mode", "soft"], 34, Some(3)),
            (&["--manage-cgroups-mode", "full"], 34, Some(4)),
            (&["--manage-cgroups-mode", "strict"], 34, Some(5)),
            (&[], 34, Some(6)),
            (&["--network-lock", "iptables"], 64, Some(1)),
            (&["--network-lock", "nftables"], 64, Some(2)),
            (&["--network-lock", "skip"], 64, Some(3)),
            (&[], 64, None),
        ];
        for (flags, field, expected) in cases {
            stand_in
                .command(&container, "restore", &[flags, &["--detach"]].concat())?
                .fails(1, "criu failed");
            assert_eq!(stand_in.options()?.number(field), expected, "{flags:?}");
        }
        Ok(())
    })
}

#[test]
fn an_annotation_names_criu_s_configuration_and_an_empty_one_none() -> Outcome {
    with_stand_in(|| {
        let container = saved()?;
        let stand_in = StandIn::new(&container, Deed::Fails)?;
        for (annotation, expected) in [("/somewhere", Some("/somewhere".to_string())), ("", None)] {
            container.edit(|config| {
                config["annotations"] = serde_json::json!({"org.criu.config": annotation});
            })?;
            stand_in.command(&container, "restore", &["--detach"])?.fails(1, "criu failed");
            assert_eq!(stand_in.options()?.text(51), expected, "{annotation:?}");
        }
        Ok(())
    })
}
