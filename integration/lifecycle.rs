//! create, start, run, delete.
use crate::support::{Container, Outcome};

#[test]
fn a_container_runs_and_is_gone() -> Outcome {
    let container = Container::with(|config| {
        config.shell("echo hello from pid $$");
    })?;
    container.run()?.prints("hello from pid 1");
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}
