//! Words of config.json that mean a number or an act: each list of them is one table, which the plan goes by and the
//! `features` command tells. A word that is in no table is refused, so the two cannot differ.

use std::fmt::Display;

use crate::fail;
use crate::report::{Code, Result};

/// The word as it is written, as it is typed, and what it means.
pub type Words<Word, Meaning> = &'static [(&'static str, Word, Meaning)];

/// What a word means.
///
/// # Errors
/// The types of the config know it, and the table does not.
pub fn meaning<Word: PartialEq + Display, Meaning>(
    table: Words<Word, Meaning>,
    word: Word,
) -> Result<&'static Meaning> {
    match table.iter().find(|(_, known, _)| *known == word) {
        Some((_, _, meaning)) => Ok(meaning),
        None => fail!(Code::Unsupported, "{word} is not supported"),
    }
}

/// The words of a table, in its order.
pub fn names<Word, Meaning>(table: Words<Word, Meaning>) -> Vec<&'static str> {
    table.iter().map(|(name, ..)| *name).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::de::DeserializeOwned;

    use super::*;
    use crate::plan::memory_policy;
    use crate::plan::seccomp::words;

    /// Every row is typed as it is written.
    #[track_caller]
    fn is_consistent<Word: DeserializeOwned + PartialEq + Debug + Display, Meaning>(
        table: Words<Word, Meaning>,
    ) {
        for (name, word, _) in table {
            assert_eq!(&serde_json::from_value::<Word>((*name).into()).unwrap(), word);
            assert_eq!(&word.to_string(), name);
        }
    }

    #[test]
    fn every_word_is_typed_as_it_is_written() {
        is_consistent(words::ACTIONS);
        is_consistent(words::OPERATORS);
        is_consistent(words::FLAGS);
        is_consistent(words::ARCHITECTURES);
        is_consistent(memory_policy::MODES);
        is_consistent(memory_policy::FLAGS);
    }
}
