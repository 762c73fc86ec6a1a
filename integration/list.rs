//! `list`: a table, JSON, or ids alone.

use std::fs;

use serde_json::json;

use crate::support::{Container, Outcome};

fn list(container: &Container, flags: &[&str]) -> anyhow::Result<crate::support::Output> {
    container.runtime(["list"].iter().chain(flags).copied()).output()
}

#[test]
fn the_table_has_runcs_columns() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let output = list(&container, &[])?;
    let lines = output.ok().lines();
    let head: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(head, ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    let row: Vec<&str> = lines[1].split_whitespace().collect();
    let (pid, bundle) =
        (container.init()?.pid.to_string(), container.bundle().to_string_lossy().into_owned());
    assert_eq!(row[..4], [container.id.as_str(), &pid, "running", &bundle]);
    assert_eq!(row[5], "root");
    Ok(())
}

#[test]
fn the_columns_are_aligned_with_three_spaces_and_at_least_twelve_wide() -> Outcome {
    let container = Container::new()?;
    container.runtime(["run", "-d", "a"]).output()?.ok();
    let output = list(&container, &[])?;
    let text = output.ok().raw_stdout();
    let lines: Vec<&str> = text.lines().collect();
    for (word, at) in [("PID", 12), ("STATUS", 24), ("BUNDLE", 36)] {
        assert_eq!(lines[0].find(word), Some(at), "{text}");
    }
    let bundle = container.bundle().to_string_lossy().into_owned();
    assert_eq!(lines[0].find("CREATED"), Some(36 + bundle.len() + 3), "{text}");
    assert_eq!(lines[1].find("running"), Some(24), "{text}");
    container.runtime(["delete", "-f", "a"]).output()?.ok();
    Ok(())
}

#[test]
fn the_json_list_is_one_line_of_states() -> Outcome {
    let container = Container::with(|config| config["annotations"] = json!({"some": "note"}))?;
    container.detach()?;
    for flags in [&["--format", "json"], &["-f", "json"]] {
        let output = list(&container, flags)?;
        assert_eq!(output.ok().lines().len(), 1);
        let mut expected = container.state()?;
        expected["owner"] = json!("root");
        assert_eq!(output.json(), json!([expected]));
    }
    Ok(())
}

#[test]
fn quiet_lists_ids_in_order() -> Outcome {
    let container = Container::new()?;
    for name in ["c", "a", "b"] {
        let group = format!("{}-{name}", container.cgroup);
        container.edit(|config| config["linux"]["cgroupsPath"] = group.into())?;
        container.runtime(["run", "-d", name]).output()?.ok();
    }
    list(&container, &["-q"])?.prints("a\nb\nc");
    list(&container, &["--quiet"])?.prints("a\nb\nc");
    for name in ["a", "b", "c"] {
        container.runtime(["delete", "-f", name]).output()?.ok();
    }
    Ok(())
}

#[test]
fn an_empty_root_is_an_empty_list() -> Outcome {
    let container = Container::new()?;
    assert_eq!(list(&container, &[])?.ok().lines().len(), 1);
    list(&container, &["-q"])?.prints("");
    list(&container, &["-f", "json"])?.prints("null");
    Ok(())
}

#[test]
fn a_root_that_is_not_there_is_an_error_if_it_was_named() -> Outcome {
    let container = Container::new()?;
    fs::remove_dir(container.state_root())?;
    list(&container, &[])?.exits(1);
    Ok(())
}

#[test]
fn an_unknown_format_is_refused() -> Outcome {
    let container = Container::new()?;
    list(&container, &["-f", "xml"])?.fails(1, "invalid format option");
    Ok(())
}

#[test]
fn stopped_and_created_and_paused_containers_are_listed_as_such() -> Outcome {
    let container = Container::new()?;
    let status = || -> anyhow::Result<serde_json::Value> {
        Ok(list(&container, &["-f", "json"])?.ok().json()[0]["status"].clone())
    };
    container.create()?.ok();
    assert_eq!(status()?, "created");
    container.start()?.ok();
    assert_eq!(status()?, "running");
    container.command(&["pause"])?.ok();
    assert_eq!(status()?, "paused");
    container.command(&["resume"])?.ok();
    container.stop()?;
    assert_eq!(status()?, "stopped");
    Ok(())
}

#[test]
fn a_container_that_vanishes_while_it_is_listed_is_no_error() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    std::thread::scope(|scope| -> Outcome {
        let churn = scope.spawn(|| {
            (0..10).try_for_each(|_| -> Outcome {
                container.run()?.ok();
                Ok(())
            })
        });
        while !churn.is_finished() {
            list(&container, &[])?.ok();
        }
        churn.join().expect("no panic")
    })
}
