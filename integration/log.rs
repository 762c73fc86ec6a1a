//! Where a command says what went wrong: standard error, or a log file that callers decode.

use std::fs;

use crate::support::{Container, Outcome, is_peer, log, skip};

fn failing() -> anyhow::Result<Container> {
    Container::with(|config| {
        config.args(&["no-such-program"]);
    })
}

fn logged(
    container: &Container,
    format: &str,
    words: &[&str],
) -> anyhow::Result<(crate::support::Output, std::path::PathBuf)> {
    let path = container.path("log");
    let text = path.to_string_lossy().into_owned();
    let global = ["--log", &text, "--log-format", format];
    Ok((container.runtime(global.iter().chain(words).copied()).output()?, path))
}

#[test]
fn an_error_is_exactly_one_json_line_with_level_msg_and_time() -> Outcome {
    let container = failing()?;
    for command in ["create", "run", "state", "start", "kill", "pause", "delete"] {
        let (output, path) = logged(&container, "json", &[command, &container.id])?;
        output.exits(1);
        let entries = log::entries(&path)?;
        assert_eq!(entries.len(), 1, "{command}: {entries:?}");
        assert_eq!(entries[0]["level"], "error");
        assert!(entries[0]["msg"].as_str().is_some_and(|text| !text.is_empty()));
        let time = entries[0]["time"].as_str().unwrap_or_default();
        assert!(time.len() >= 20 && time.as_bytes()[10] == b'T', "{time}");
        fs::remove_file(path)?;
    }
    Ok(())
}

#[test]
fn the_json_line_has_the_cause_in_it() -> Outcome {
    let container = failing()?;
    let (_, path) = logged(&container, "json", &["run", &container.id])?;
    let errors = log::errors(&path)?;
    assert!(
        errors[0]["msg"].as_str().is_some_and(|text| text.contains("executable file not found in $PATH"))
    );
    Ok(())
}

#[test]
fn the_error_is_on_standard_error_too() -> Outcome {
    let container = failing()?;
    let (output, _) = logged(&container, "json", &["run", &container.id])?;
    output.fails(1, "executable file not found in $PATH");
    Ok(())
}

#[test]
fn a_failing_exec_logs_one_line() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let (output, path) = logged(&container, "json", &["exec", &container.id, "no-such-program"])?;
    output.exits(255);
    let errors = log::errors(&path)?;
    assert_eq!(errors.len(), 1);
    assert!(errors[0]["msg"].as_str().is_some_and(|text| text.contains("exec failed: ")), "{errors:?}");
    Ok(())
}

#[test]
fn a_successful_command_logs_nothing() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    let (output, path) = logged(&container, "json", &["run", &container.id])?;
    output.ok();
    assert_eq!(output.stderr(), "");
    assert_eq!(fs::read_to_string(path).unwrap_or_default(), "");
    Ok(())
}

#[test]
fn the_log_is_appended_to() -> Outcome {
    let container = failing()?;
    fs::write(
        container.path("log"),
        "{\"level\":\"info\",\"msg\":\"before\",\"time\":\"2026-01-01T00:00:00Z\"}\n",
    )?;
    let (_, path) = logged(&container, "json", &["run", &container.id])?;
    let entries = log::entries(&path)?;
    assert_eq!(entries[0]["msg"], "before");
    assert_eq!(entries.len(), 2);
    Ok(())
}

#[test]
fn the_text_format_is_logfmt() -> Outcome {
    let container = failing()?;
    let (_, path) = logged(&container, "text", &["run", &container.id])?;
    let text = fs::read_to_string(path)?;
    assert!(text.starts_with("time=\"20") && text.contains(" level=error msg=\""), "{text}");
    assert_eq!(text.lines().count(), 1);
    Ok(())
}

#[test]
fn an_unknown_format_is_refused() -> Outcome {
    let container = failing()?;
    let (output, _) = logged(&container, "xml", &["list"])?;
    output.fails(1, "log-format");
    Ok(())
}

#[test]
fn a_log_that_cannot_be_written_is_an_error() -> Outcome {
    let container = Container::new()?;
    container.runtime(["--log", "/no/such/directory/log", "list"]).output()?.exits(1);
    Ok(())
}

#[test]
fn debug_says_what_is_done_on_standard_error_or_in_the_log() -> Outcome {
    let container = Container::with(|config| {
        config.shell("echo out");
    })?;
    let output = container.runtime(["--debug", "run", &container.id]).output()?;
    output.prints("out");
    assert!(output.stderr().contains("level=debug"), "{output}");
    let (output, path) = logged(&container, "text", &["--debug", "run", &container.id])?;
    output.prints("out");
    assert!(!output.stderr().contains("level=debug"), "{output}");
    assert!(fs::read_to_string(path)?.contains("level=debug"));
    Ok(())
}

#[test]
fn debug_of_exec_names_the_stages_that_callers_look_for() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let (output, path) = logged(&container, "text", &["--debug", "exec", &container.id, "true"])?;
    output.ok();
    let text = fs::read_to_string(path)?;
    for words in ["nsexec container setup", "child process in init()", "setns_init: about to exec"] {
        assert!(text.contains(words), "{words:?} in {text}");
    }
    Ok(())
}

#[test]
fn an_error_that_comes_from_a_mount_has_code_pointer_and_errno() -> Outcome {
    if is_peer() {
        return skip("trug's own keys");
    }
    let container = Container::with(|config| {
        config.mount("/mnt", "bind", "/no/such/source", &["bind"]);
    })?;
    let (_, path) = logged(&container, "json", &["run", &container.id])?;
    let errors = log::errors(&path)?;
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0]["pointer"], "/mounts/7");
    assert_eq!(errors[0]["errno"], "ENOENT");
    assert!(errors[0]["code"].is_string(), "{errors:?}");
    Ok(())
}

#[test]
fn a_long_error_stays_one_line() -> Outcome {
    let name = format!("/no/such/{}", "x".repeat(3000));
    let container = Container::with(|config| {
        config.args(&[&name]);
    })?;
    let (_, path) = logged(&container, "json", &["run", &container.id])?;
    assert_eq!(log::entries(&path)?.len(), 1);
    Ok(())
}
