//! A config.json that is an attack on its reader: an error, quickly, in bounded memory.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{Container, Outcome, is_peer, skip};

fn is_an_error_soon(name: &str, text: impl AsRef<[u8]>) -> Outcome {
    let container = Container::new()?;
    fs::write(container.bundle().join("config.json"), text)?;
    let begun = Instant::now();
    let limited = "ulimit -v 1048576";
    let output = container.runtime(["run", &container.id]).after(limited).output()?;
    assert!(matches!(output.status(), 1 | 255), "{name}: {}", output.status());
    assert!(begun.elapsed() < Duration::from_secs(10), "{name}: {:?}", begun.elapsed());
    assert!(output.stderr().len() < 10_000, "{name}: an error of {} bytes", output.stderr().len());
    assert!(!output.stderr().contains("internal error"), "{name}: {}", output.stderr());
    assert_eq!(container.leftovers()?, Vec::<String>::new(), "{name}");
    Ok(())
}

#[test]
fn nesting_numbers_and_garbage_are_errors() -> Outcome {
    let deep =
        |open: &str, close: &str| format!("{{\"x\":{}1{}}}", open.repeat(100_000), close.repeat(100_000));
    is_an_error_soon("arrays", deep("[", "]"))?;
    is_an_error_soon("objects", deep("{\"a\":", "}"))?;
    is_an_error_soon("only opened", "[".repeat(1_000_000))?;
    is_an_error_soon(
        "a huge number",
        format!("{{\"process\":{{\"user\":{{\"uid\":{}}}}}}}", "9".repeat(1_000_000)),
    )?;
    is_an_error_soon("a huge exponent", "{\"process\":{\"user\":{\"uid\":1e999999999}}}")?;
    is_an_error_soon("nothing", "")?;
    is_an_error_soon("null", "null")?;
    is_an_error_soon("NUL bytes", [0_u8; 4096])?;
    is_an_error_soon("not UTF-8", b"{\"ociVersion\":\"\xff\xfe\"}")?;
    is_an_error_soon("a lone surrogate", "{\"ociVersion\":\"\\ud800\"}")?;
    is_an_error_soon("two documents", "{}{}")
}

#[test]
fn very_many_of_a_kind_are_an_error() -> Outcome {
    if is_peer() {
        return skip("peers take hours for some of these");
    }
    const MANY: usize = 40_000;
    let list = |element: &dyn Fn(usize) -> String| (0..MANY).map(element).collect::<Vec<_>>().join(",");
    let of_linux = |members: String| {
        format!(
            r#"{{"ociVersion": "1.3.0", "root": {{"path": "rootfs"}}, "process": {{"user": {{"uid": 0, "gid": 0}}, "cwd": "/", "args": ["x"],
            "execCPUAffinity": {{"initial": "1-"}}}}, "linux": {{{members}}}}}"#
        )
    };
    let id = |i| format!(r#"{{"containerID": {i}, "hostID": {i}, "size": 1}}"#);
    is_an_error_soon("ids", of_linux(format!(r#""uidMappings": [{}]"#, list(&id))))?;
    is_an_error_soon("findings", of_linux(format!(r#""maskedPaths": [{}]"#, list(&|_| "\"\"".into()))))?;
    let rule = |i| format!(r#"{{"allow": {}, "type": "c", "major": {}, "access": "r"}}"#, i % 2 == 0, i / 2);
    is_an_error_soon("device rules", of_linux(format!(r#""resources": {{"devices": [{}]}}"#, list(&rule))))?;
    let path = |i| format!("\"/proc/{i}\"");
    is_an_error_soon("paths", of_linux(format!(r#""maskedPaths": [{}]"#, list(&path))))?;
    let everything = of_linux(format!(
        r#""memoryPolicy": {{"mode": "MPOL_BIND", "nodes": "{}"}}"#,
        list(&|_| "0-65535".into())
    ));
    is_an_error_soon("memory nodes", everything)
}

#[test]
fn a_hundred_megabytes_are_an_error() -> Outcome {
    is_an_error_soon("a long string", format!("{{\"hostname\":\"{}\"}}", "a".repeat(100 << 20)))?;
    is_an_error_soon("blank space", " ".repeat(100 << 20))
}

#[test]
fn a_config_that_never_ends_is_not_waited_for() -> Outcome {
    for target in ["/dev/zero", "/dev/full", "fifo"] {
        let container = Container::new()?;
        let path = container.bundle().join("config.json");
        fs::remove_file(&path)?;
        match target {
            "fifo" => drop(crate::support::Fifo::make(&path)?),
            target => std::os::unix::fs::symlink(target, &path)?,
        }
        let output = container.run()?;
        assert_eq!(output.status(), 1, "{target}: {output}");
    }
    Ok(())
}

#[test]
fn the_same_key_twice_never_means_two_things() -> Outcome {
    // What is checked must be what is used: an error, or one of the two for all purposes.
    let container = Container::with(|config| {
        config.shell("id -u");
    })?;
    let path = container.bundle().join("config.json");
    let text = fs::read_to_string(&path)?.replacen("\"uid\": 0", "\"uid\": 1000, \"uid\": 0", 1);
    assert!(text.contains("1000"));
    fs::write(&path, text)?;
    let output = container.run()?;
    assert!(output.status() == 1 || ["0", "1000"].contains(&output.stdout().as_str()), "{output}");
    Ok(())
}
