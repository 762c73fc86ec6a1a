//! A container's limits and device rules as its record has them: text, since `update` alone reads what is half of the
//! record, and `list` reads a thousand of them.

use oci_spec::runtime::LinuxResources;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::report::{Code, Context, Result};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limits(Box<RawValue>);

impl Limits {
    pub fn of(resources: &LinuxResources) -> Result<Self> {
        to_raw_value(resources).map(Self).context("encode the limits")
    }

    /// # Errors
    /// A record that was damaged: what stands there are no limits.
    pub fn read(&self) -> Result<LinuxResources> {
        let limits: Option<_> =
            serde_json::from_str(self.0.get()).context("the limits on record").code(Code::Internal)?;
        Ok(limits.unwrap_or_default())
    }
}

impl Default for Limits {
    /// None.
    fn default() -> Self {
        Self(RawValue::NULL.to_owned())
    }
}

impl PartialEq for Limits {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_were_written_and_none_as_none() {
        let text = r#"{"memory":{"limit":5},"devices":[{"allow":false,"access":"rwm"}]}"#;
        let resources: LinuxResources = serde_json::from_str(text).unwrap();
        let record = serde_json::to_string(&Limits::of(&resources).unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Limits>(&record).unwrap().read().unwrap(), resources);
        assert_eq!(Limits::default().read().unwrap(), LinuxResources::default());
        assert!(serde_json::from_str::<Limits>("[5]").unwrap().read().is_err());
    }
}
