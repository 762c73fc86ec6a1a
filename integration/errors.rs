//! What people and programs are told when something cannot be done: the words that callers match on.

use std::fs;

use serde_json::json;

use crate::support::{Container, Invocation, Outcome, is_peer, log, skip};

#[test]
fn every_command_says_that_a_container_does_not_exist() -> Outcome {
    let container = Container::new()?;
    for command in ["state", "start", "delete", "pause", "resume", "ps"] {
        container.command(&[command])?.fails(1, "container does not exist");
    }
    container.kill("TERM")?.fails(1, "container does not exist");
    container.exec(&["true"])?.fails(255, "container does not exist");
    Ok(())
}

#[test]
fn a_senseless_id_is_refused_by_every_command() -> Outcome {
    let container = Container::new()?;
    let ids = ["..", ".", "a/b", "../x", "/etc", "", "a b", "a\nb", "ü", "a%n;", "a\0b"];
    for id in ids.iter().filter(|id| !id.contains('\0')) {
        for command in ["create", "run", "start", "state", "delete", "pause"] {
            let output = container.runtime([command, id]).output()?;
            assert_eq!(output.status(), 1, "{command} {id:?}: {output}");
        }
        assert_eq!(fs::read_dir(container.state_root())?.count(), 0, "{id:?}");
    }
    container.runtime(["create", "a/b"]).output()?.fails(1, "invalid container ID format");
    Ok(())
}

#[test]
fn a_sensible_id_is_taken() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    let long = "x".repeat(128);
    for id in ["a", "A9", "x+y_z.-1", "0", "..x", &long] {
        container.runtime(["run", id]).output()?.ok();
    }
    Ok(())
}

#[test]
fn an_id_longer_than_a_file_name_is_an_error() -> Outcome {
    let container = Container::new()?;
    for length in [256, 1024] {
        container.runtime(["run", &"x".repeat(length)]).output()?.exits(1);
    }
    Ok(())
}

#[test]
fn a_stream_that_cannot_be_written_hides_no_error() -> Outcome {
    if is_peer() {
        return skip("known: runc leaves the help out of its log");
    }
    let container = Container::new()?;
    let log = container.path("log");
    let words = ["--log", log.to_str().unwrap_or_default(), "--log-format", "json", "state", &container.id];
    let output = container.runtime(words).after("exec 2>/dev/full").output()?;
    output.exits(1);
    let errors = log::errors(&log)?;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["msg"], "container does not exist");
    let output = container.runtime(["stat", &container.id]).after("exec >/dev/full").output()?;
    output.fails(3, "No help topic for 'stat'").fails(3, "no space left on device");
    Ok(())
}

#[test]
fn a_missing_id_is_a_usage_error() -> Outcome {
    let container = Container::new()?;
    for command in ["create", "run", "start", "state", "delete", "pause", "resume", "kill", "ps"] {
        container.runtime([command]).output()?.exits(1);
    }
    Ok(())
}

#[test]
fn a_word_too_many_is_a_usage_error() -> Outcome {
    let container = Container::new()?;
    for command in ["create", "run", "start", "state", "delete", "pause", "resume"] {
        container.runtime([command, "one", "two"]).output()?.exits(1);
    }
    Ok(())
}

#[test]
fn a_bundle_without_a_config_is_named() -> Outcome {
    let container = Container::new()?;
    fs::remove_file(container.bundle().join("config.json"))?;
    container.run()?.fails(1, "JSON specification file config.json not found");
    container.command(&["create"])?.fails(1, "JSON specification file config.json not found");
    Ok(())
}

#[test]
fn a_bundle_that_is_not_there_is_named() -> Outcome {
    let container = Container::new()?;
    container.command(&["run", "--bundle", "/no/such/bundle"])?.fails(1, "no such file or directory");
    Ok(())
}

#[test]
fn a_config_that_is_not_json_is_an_error() -> Outcome {
    let container = Container::new()?;
    for text in ["", "{", "[]", "null", "\"x\"", "{\"ociVersion\": 1}", "\u{feff}{}"] {
        fs::write(container.bundle().join("config.json"), text)?;
        let output = container.run()?;
        assert_eq!(output.status(), 1, "{text:?}: {output}");
        assert!(!output.stderr().contains("panicked"), "{output}");
        assert_eq!(container.leftovers()?, Vec::<String>::new());
    }
    Ok(())
}

#[test]
fn a_config_without_what_is_needed_is_an_error() -> Outcome {
    for key in ["root", "process", "ociVersion"] {
        let container = Container::with(|config| {
            config.as_object_mut().expect("an object").remove(key);
        })?;
        if is_peer() && key == "ociVersion" {
            continue;
        }
        let output = container.run()?;
        assert_eq!(output.status(), 1, "{key}: {output}");
        assert!(!output.stderr().contains("panic"), "{key}: {output}");
        assert_eq!(container.leftovers()?, Vec::<String>::new());
    }
    Ok(())
}

#[test]
fn a_config_of_another_world_is_refused() -> Outcome {
    if is_peer() {
        return skip("known: runc does not look");
    }
    for version in ["2.0.0", "0.1.0", "moon"] {
        let container = Container::with(|config| config["ociVersion"] = version.into())?;
        container.run()?.fails(1, version);
    }
    Ok(())
}

#[test]
fn a_field_that_nobody_knows_is_passed_over() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
        config["moon"] = json!({"full": true});
        config["process"]["moon"] = json!(1);
        config["linux"]["moon"] = json!([]);
    })?;
    container.run()?.ok();
    Ok(())
}

#[test]
fn a_value_of_the_wrong_kind_is_an_error_that_names_it() -> Outcome {
    let cases =
        [("args", json!("sh")), ("cwd", json!(7)), ("env", json!({"A": "b"})), ("user", json!("root"))];
    for (key, value) in cases {
        let container = Container::with(|config| config["process"][key] = value)?;
        let output = container.run()?;
        output.exits(1);
        if !is_peer() {
            assert!(output.stderr().contains(key), "{key}: {output}");
        }
    }
    Ok(())
}

#[test]
fn an_error_of_a_detached_start_reaches_the_caller() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["no-such-program"]);
    })?;
    container.command(&["run", "-d"])?.fails(1, "executable file not found in $PATH");
    container.command(&["create"])?.fails(1, "executable file not found in $PATH");
    Ok(())
}

#[test]
fn errors_of_create_and_run_say_which_it_was() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["no-such-program"]);
    })?;
    container.command(&["create"])?.fails(1, " create failed: ");
    container.command(&["run"])?.fails(1, " run failed: ");
    Ok(())
}

#[test]
fn a_name_with_control_characters_is_escaped_in_an_error() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["/bin/\u{1b}[2Jevil"]);
    })?;
    let output = container.run()?;
    output.exits(1);
    assert!(!output.stderr().contains('\u{1b}'), "{output}");
    Ok(())
}

#[test]
fn an_error_ends_with_a_line_and_no_backtrace() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["no-such-program"]);
    })?;
    let words = ["run", &container.id];
    let output = container.runtime(words).env("RUST_BACKTRACE", "full").output()?;
    output.exits(1);
    assert_eq!(output.stderr().lines().count(), 1, "{output}");
    for word in ["panicked", "backtrace", "src/", "Error {", "unwrap"] {
        assert!(!output.stderr().contains(word), "{word}: {output}");
    }
    Ok(())
}

#[test]
fn a_full_disk_is_an_error_that_leaves_nothing() -> Outcome {
    let container = Container::new()?;
    let root = container.state_root().to_string_lossy().into_owned();
    let set_up =
        format!("mount -t tmpfs -o size=4k,nr_inodes=4 none {root}; head -c 4096 /dev/zero > {root}/full");
    let words = ["create", &container.id];
    let output = container.runtime(words).after(&set_up).under(["unshare", "--mount"]).output()?;
    if is_peer() {
        return skip("known: runc leaves its directory");
    }
    output.fails(1, "no space left on device");
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_root_that_cannot_be_written_is_named() -> Outcome {
    let container = Container::new()?;
    let words = ["--root", "/proc/nowhere", "create", &container.id];
    container.runtime(words).output()?.exits(1);
    Ok(())
}

#[test]
fn a_closed_or_full_standard_error_does_not_hang_a_failing_command() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["no-such-program"]);
    })?;
    let words = ["run", &container.id];
    container.runtime(words).after("exec 2>&-").output()?.exits(1);
    container.runtime(words).after("exec 2>/dev/full").output()?.exits(1);
    Ok(())
}

#[test]
fn a_program_is_not_run_by_a_name_that_is_a_flag() -> Outcome {
    let container = Container::new()?;
    let output =
        Invocation::runtime(["--root", container.path("state").to_str().unwrap_or_default(), "run", "-x"]);
    output.output()?.exits(1);
    Ok(())
}
