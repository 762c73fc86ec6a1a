//! A new time namespace (`man 7 time_namespaces`). Its offsets can be set only until the first process is in it, so
//! init makes it for its children, sets the clocks, and then joins it itself.

use std::os::fd::AsFd;

use crate::linux::namespace::{self, Kind};
use crate::plan::TimeOffset;
use crate::report::{Context as _, Result};
use crate::stage::context::Context;

/// Makes it and goes in. Before init changes its ids: the files are those of the user it was born as.
pub fn make(context: &Context, offsets: &[TimeOffset]) -> Result<()> {
    namespace::unshare(Kind::Time).context("make a time namespace")?;
    if !offsets.is_empty() {
        let line = |it: &TimeOffset| format!("{} {} {}\n", it.clock, it.seconds, it.nanoseconds);
        let text: String = offsets.iter().map(line).collect();
        context
            .proc
            .write_self("timens_offsets", text.as_bytes())
            .with_context(|| format!("set the clocks' offsets ({})", text.trim_end().replace('\n', ", ")))?;
    }
    let made = context.proc.open_own_namespace("time_for_children").context("open the time namespace")?;
    namespace::join(made.as_fd(), Kind::Time).context("join the time namespace")
}
