//! Command lines as callers were seen to send them, and as people get them wrong.

use std::path::PathBuf;

use super::*;

const GLOBALS: &str = "--root /run/containerd/runc/k8s.io --log /b/log.json --log-format json";

fn parse(line: &str) -> Request {
    let words = line.split_whitespace().map(|word| OsString::from(word.replace('~', " ")));
    super::parse(&std::iter::once("trug".into()).chain(words).collect::<Vec<_>>())
}

fn command(line: &str) -> Command {
    match parse(line) {
        Request::Carry(invocation) => invocation.command,
        Request::Print(text) => panic!("{line:?} printed {text}"),
        Request::Misused(misuse) => panic!("{line:?} was refused: {}", misuse.error),
    }
}

fn printed(line: &str) -> String {
    match parse(line) {
        Request::Print(text) => text,
        Request::Carry(_) => panic!("{line:?} was a command"),
        Request::Misused(misuse) => panic!("{line:?} was refused: {}", misuse.error),
    }
}

fn refused(line: &str) -> Misuse {
    match parse(line) {
        Request::Misused(misuse) => misuse,
        _ => panic!("{line:?} was taken"),
    }
}

/// The words after the program's name, in plain form.
fn plain(line: &str) -> String {
    let definition = help::lay_out(definition(None), "trug");
    let words = line.split_whitespace().map(OsString::from);
    let arguments: Vec<OsString> = std::iter::once("trug".into()).chain(words).collect();
    let plain = arguments::normalize(&definition, &arguments).expect(line);
    let words: Vec<_> = plain.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ")
}

#[test]
fn a_command_is_defined_alone_as_among_all() {
    let all = help::lay_out(definition(None), "trug");
    let names: Vec<&str> =
        all.get_subcommands().map(clap::Command::get_name).filter(|name| *name != "help").collect();
    assert_eq!(names, DEFINITIONS.map(|(name, _)| name));
    for name in names {
        let mut alone = help::lay_out(definition(Some(name)), "trug");
        let mut among = all.clone();
        let help =
            |of: &mut clap::Command| of.find_subcommand_mut(name).expect(name).render_long_help().to_string();
        assert_eq!(help(&mut alone), help(&mut among), "{name}");
    }
}

#[test]
fn every_call_that_clients_were_seen_to_make_is_taken() {
    let calls = [
        "create --bundle /b --pid-file /b/pid ID",
        "create --bundle /b --pid-file /b/pid --console-socket /s ID",
        "create --bundle /b --pid-file /b/pid --no-pivot --no-new-keyring --preserve-fds 2 ID",
        "create --bundle /b --pid-file /b/pid --pidfd-socket /s ID",
        "start ID",
        "state ID",
        "delete ID",
        "delete --force ID",
        "run --bundle /b --keep ID",
        "exec --pid-file /p --process /j --detach ID",
        "exec --pid-file /p --process /j --detach --console-socket /s ID",
        "exec --process /j --console-socket /s --detach --pid-file /p ID",
        "exec --pid-file /p --process /j -d --tty ID",
        "kill ID 15",
        "kill ID KILL",
        "kill --all ID 9",
        "kill -a ID 9",
        "pause ID",
        "resume ID",
        "ps --format json ID",
        "ps ID -o pid,args -e",
        "features",
        "list --format=json",
        "list -q",
        "events --stats ID",
        "events --interval=5s ID",
        "update --resources=- ID",
        "update --resources - ID",
        "update --resources=/r ID",
        "update --memory-swap -1 --pids-limit -1 --kernel-memory 1 ID",
        "checkpoint --image-path /i --work-path /w ID",
        "checkpoint --image-path /i --work-path /w --leave-running --file-locks ID",
        "checkpoint --tcp-established --ext-unix-sk --shell-job --empty-ns network --manage-cgroups-mode soft ID",
        "checkpoint --parent-path ../p --pre-dump --lazy-pages --status-fd 5 --page-server a:1 --auto-dedup ID",
        "restore --image-path /i --work-path /w --detach --pid-file /p -no-subreaper --bundle /b ID",
        "restore --bundle /b --pid-file /p --detach --image-path /i --work-path /w --console-socket /s ID",
        "restore --lsm-profile selinux:x --lsm-mount-context y --lazy-pages --empty-ns network ID",
        "spec --bundle /b --rootless",
        "--systemd-cgroup create ID",
        "--rootless=true --debug state ID",
        "--rootless auto --criu /usr/sbin/criu state ID",
        "--cgroup-manager disabled create ID",
    ];
    for call in calls {
        command(call);
        command(&format!("{GLOBALS} {call}"));
    }
}

#[test]
fn flags_have_one_dash_or_two_and_their_value_beside_or_behind_a_sign() {
    let cases = [
        ("restore -no-subreaper --bundle /b ID", "restore --no-subreaper --bundle=/b -- ID"),
        ("create -bundle /b ID", "create --bundle=/b -- ID"),
        ("create -b=/b ID", "create --bundle=/b -- ID"),
        ("create --b /b ID", "create --bundle=/b -- ID"),
        ("create --pid-file= ID", "create --pid-file= -- ID"),
        ("update --pids-limit -1 ID", "update --pids-limit=-1 -- ID"),
        ("update -r - ID", "update --resources=- -- ID"),
        ("run --detach=true ID", "run --detach -- ID"),
        ("run --detach=false --keep=1 ID", "run --keep -- ID"),
        ("run --detach --keep=false -d=false --keep ID", "run --keep -- ID"),
        ("exec --no-new-privs ID sh", "exec --no-new-privs=true -- ID sh"),
        ("exec --no-new-privs=0 ID sh", "exec --no-new-privs=false -- ID sh"),
        ("-log-format json --root=/r state ID", "--log-format=json --root=/r state -- ID"),
        ("state --root /r ID --debug", "--root=/r --debug state -- ID"),
        ("delete ID --force", "delete --force -- ID"),
        ("delete -- -x", "delete -- -x"),
        ("kill ID -9", "kill -- ID -9"),
        ("ps ID -e -x", "ps -- ID -e -x"),
        ("ps -f json ID", "ps --format=json -- ID"),
    ];
    for (line, expected) in cases {
        assert_eq!(plain(line), expected, "{line:?}");
    }
}

#[test]
fn what_follows_the_id_of_an_exec_is_the_commands_own() {
    let cases = [
        ("exec ID ls -la", "exec -- ID ls -la"),
        (
            "exec -t ID sh -c -no-new-privs --user 0 -- x",
            "exec --tty -- ID sh -c -no-new-privs --user 0 -- x",
        ),
        ("exec ID -- ls --tty", "exec -- ID ls --tty"),
        ("exec -- ID ls -t", "exec -- ID ls -t"),
        ("exec --user=1:2 -e A=-t -e B= ID env", "exec --user=1:2 --env=A=-t --env=B= -- ID env"),
    ];
    for (line, expected) in cases {
        assert_eq!(plain(line), expected, "{line:?}");
    }
}

#[test]
fn exec_takes_all_its_flags() {
    let line = "exec --console-socket /s --cwd /d --env A=1 -e B=2 --tty -u 1:2 -g 3 --additional-gids 4 \
                --detach --pid-file /p --process-label l --apparmor a --no-new-privs --cap CAP_X -c CAP_Y \
                --preserve-fds 2 --cgroup cpu:a --cgroup b --ignore-paused --pidfd-socket /q ID sh -c exit~1";
    let Command::Exec(exec) = command(line) else { panic!() };
    let options = exec.options();
    assert_eq!(options.console_socket, Some(PathBuf::from("/s")));
    assert_eq!(options.cwd, Some(PathBuf::from("/d")));
    assert_eq!(options.env, ["A=1", "B=2"]);
    assert!(options.tty && options.detach && options.ignore_paused);
    assert_eq!(options.no_new_privs, Some(true));
    assert_eq!(options.user.as_deref(), Some("1:2"));
    assert_eq!(options.additional_gids, [3, 4]);
    assert_eq!(options.process, None);
    assert_eq!(options.pid_file, Some(PathBuf::from("/p")));
    assert_eq!(options.process_label.as_deref(), Some("l"));
    assert_eq!(options.apparmor.as_deref(), Some("a"));
    assert_eq!(options.caps, ["CAP_X", "CAP_Y"]);
    assert_eq!(options.preserve_fds, 2);
    assert_eq!(options.cgroup, ["cpu:a", "b"]);
    assert_eq!(options.pidfd_socket, Some(PathBuf::from("/q")));
    assert_eq!(options.args, ["sh", "-c", "exit 1"]);
}

#[test]
fn run_takes_what_create_takes_and_its_own() {
    let line = "run -b /b --console-socket /c --pidfd-socket /q --pid-file /p --no-pivot --no-new-keyring \
                --preserve-fds=3 -d --keep -no-subreaper ID";
    let Command::Run(run) = command(line) else { panic!() };
    assert!(run.detach && run.keep && run.no_subreaper);
    let options = run.flags.options();
    assert_eq!(options.bundle, PathBuf::from("/b"));
    assert_eq!(options.console_socket, Some(PathBuf::from("/c")));
    assert_eq!(options.pidfd_socket, Some(PathBuf::from("/q")));
    assert_eq!(options.pid_file, Some(PathBuf::from("/p")));
    assert!(options.no_pivot && options.no_new_keyring);
    assert_eq!(options.preserve_fds, 3);
}

#[test]
fn a_flag_without_a_value_counts_as_not_given() {
    let Command::Create(create) = command("create --bundle= --console-socket= --pid-file= ID") else {
        panic!()
    };
    let options = create.flags.options();
    assert_eq!(options.bundle, PathBuf::from("."));
    assert_eq!((options.console_socket, options.pid_file), (None, None));
}

#[test]
fn the_last_of_a_repeated_flag_counts() {
    let Command::List(list) = command("list --format table -f json -q -q") else { panic!() };
    assert_eq!(list.format, "json");
    let Command::Create(create) = command("create -b /a -b /b ID") else { panic!() };
    assert_eq!(create.flags.options().bundle, PathBuf::from("/b"));
}

#[test]
fn global_flags_mean_the_same_before_and_after_the_command() {
    for line in [format!("{GLOBALS} state ID"), format!("state {GLOBALS} ID")] {
        let Request::Carry(invocation) = parse(&line) else { panic!("{line:?}") };
        assert_eq!(
            invocation.logging,
            Logging::scan(&["--log=/b/log.json".into(), "--log-format=json".into()])
        );
        let globals = invocation.globals.resolve().unwrap();
        assert_eq!(globals.root, PathBuf::from("/run/containerd/runc/k8s.io"));
        assert!(!globals.root_is_default);
    }
}

#[test]
fn a_cgroup_manager_is_chosen_by_either_flag() {
    use crate::cgroup::Driver;
    let cases = [
        ("state ID", Driver::Cgroupfs),
        ("--systemd-cgroup state ID", Driver::Systemd),
        ("--systemd-cgroup=false state ID", Driver::Cgroupfs),
        ("--cgroup-manager systemd state ID", Driver::Systemd),
        ("--cgroup-manager=disabled --systemd-cgroup state ID", Driver::Disabled),
    ];
    for (line, expected) in cases {
        let Request::Carry(invocation) = parse(&format!("--root /r {line}")) else { panic!("{line:?}") };
        assert_eq!(invocation.globals.resolve().unwrap().driver, expected, "{line:?}");
    }
}

#[test]
fn misuse_is_told_in_the_words_that_callers_know() {
    let cases = [
        ("delete", "trug: \"delete\" requires exactly 1 argument(s)", 1),
        ("delete a b", "trug: \"delete\" requires exactly 1 argument(s)", 1),
        ("list a", "trug: \"list\" requires exactly 0 argument(s)", 1),
        ("exec", "trug: \"exec\" requires a minimum of 1 argument(s)", 1),
        ("ps", "trug: \"ps\" requires a minimum of 1 argument(s)", 1),
        ("kill", "trug: \"kill\" requires a minimum of 1 argument(s)", 1),
        ("kill a 9 9", "trug: \"kill\" requires a maximum of 2 argument(s)", 1),
        ("restore --lsm-mount-context", "flag needs an argument: --lsm-mount-context", 1),
        ("--root", "flag needs an argument: --root", 1),
        ("delete --forc x", "flag provided but not defined: -forc; hint: did you mean --force?", 1),
        ("--zzz delete x", "flag provided but not defined: -zzz", 1),
        ("run --detach=maybe x", "invalid value \"maybe\" for flag -detach: not true or false", 1),
        ("foo -h", "No help topic for 'foo'", 3),
        ("delet x", "No help topic for 'delet'; hint: did you mean delete?", 3),
        (
            "create --preserve-fds x ID",
            "invalid value 'x' for '--preserve-fds <N>': invalid digit found in string",
            1,
        ),
        (
            "--rootless maybe state ID",
            "invalid value 'maybe' for '--rootless <WHEN>': it is auto, true or false",
            1,
        ),
    ];
    for (line, expected, status) in cases {
        let misuse = refused(line);
        assert_eq!(misuse.error.to_string(), expected, "{line:?}");
        assert_eq!(misuse.status, status, "{line:?}");
        assert!(misuse.help.starts_with("Incorrect Usage. "), "{line:?}");
    }
}

#[test]
fn misuse_of_a_command_is_logged_where_the_line_says() {
    for line in ["create", "create --nosuch", "create --preserve-fds x ID"] {
        let expected = Logging::scan(&["--log=/b/log.json".into(), "--log-format=json".into()]);
        assert_eq!(refused(&format!("{GLOBALS} {line}")).logging, expected, "{line:?}");
    }
}

#[test]
fn every_command_has_help_that_needs_no_arguments() {
    let commands = [
        "checkpoint",
        "create",
        "delete",
        "events",
        "exec",
        "kill",
        "list",
        "pause",
        "ps",
        "restore",
        "resume",
        "run",
        "spec",
        "start",
        "state",
        "update",
        "features",
    ];
    for command in commands {
        for line in [format!("{command} --help"), format!("{command} -h"), format!("help {command}")] {
            let help = printed(&line);
            let expected = format!("NAME:\n   trug {command} - ");
            assert!(help.starts_with(&expected), "{line:?} printed {help}");
        }
    }
    for line in ["", "-h", "--help", "help"] {
        assert!(
            printed(line).starts_with("NAME:\n   trug - Open Container Initiative runtime\n"),
            "{line:?}"
        );
    }
}

#[test]
fn a_version_is_printed_for_two_flags() {
    for line in ["-v", "--version", "--version state ID"] {
        assert!(printed(line).starts_with("trug version "), "{line:?}");
    }
}

#[test]
fn the_command_is_found_without_reading_the_whole_line() {
    let cases = [
        (format!("{GLOBALS} create --bundle /b ID"), Some("create")),
        ("--root exec --debug state run".to_owned(), Some("state")),
        ("--root=exec -log run --systemd-cgroup exec -t ID".to_owned(), Some("exec")),
        ("--criu run --cgroup-manager run --rootless run --log-format run kill".to_owned(), Some("kill")),
        ("--version".to_owned(), None),
        ("--root".to_owned(), None),
        (String::new(), None),
    ];
    for (line, expected) in cases {
        let words = line.split_whitespace().map(OsString::from);
        let arguments: Vec<OsString> = std::iter::once("trug".into()).chain(words).collect();
        assert_eq!(subcommand(&arguments).as_deref(), expected, "{line:?}");
    }
}

#[test]
fn the_quick_search_for_the_command_knows_every_global_flag_that_has_a_value() {
    let mut defined: Vec<String> = CommandLine::command()
        .get_arguments()
        .filter(|flag| flag.get_action().takes_values())
        .filter_map(|flag| flag.get_long().map(str::to_owned))
        .collect();
    defined.sort();
    assert_eq!(defined, arguments::GLOBAL_VALUES);
}

#[test]
fn failures_are_told_in_the_words_and_with_the_status_that_callers_know() {
    let cases = [
        ("create ID", "trug create failed: x", 1),
        ("run ID", "trug run failed: x", 1),
        ("exec ID true", "exec failed: x", 255),
        ("state ID", "x", 1),
    ];
    for (line, expected, status) in cases {
        let failure = command(line).failure()(Error::new(Code::System, "x"));
        assert_eq!(failure.error.to_string(), expected);
        assert_eq!(failure.status, status);
    }
}
