//! The list that a plan is built as.

use super::types::Step;

/// Steps one after the other, from whatever yields them.
#[derive(Default)]
pub struct Steps(pub Vec<Step>);

impl Steps {
    pub fn add<S: Into<Step>>(&mut self, steps: impl IntoIterator<Item = S>) {
        self.0.extend(steps.into_iter().map(Into::into));
    }
}
