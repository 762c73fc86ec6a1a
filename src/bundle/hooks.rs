//! The six kinds of hooks (config.md#posix-platform-hooks).

use oci_spec::runtime::{Hook, Hooks};

/// The hooks of one kind, if the config has any.
type Listed = fn(&Hooks) -> &Option<Vec<Hook>>;

/// Every kind, in the order in which they run.
pub const KINDS: [(&str, Listed); 6] = [
    ("prestart", Hooks::prestart),
    ("createRuntime", Hooks::create_runtime),
    ("createContainer", Hooks::create_container),
    ("startContainer", Hooks::start_container),
    ("poststart", Hooks::poststart),
    ("poststop", Hooks::poststop),
];
