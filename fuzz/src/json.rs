//! Mutates JSON as what it is: bytes that are turned at random rarely get past the parser.

use serde_json::{Map, Number, Value, json};

/// Every fourth time the bytes are turned, that the parser gets its share; else one node of the document.
/// The arguments and the answer are those of libFuzzer's LLVMFuzzerCustomMutator.
pub fn mutate(data: &mut [u8], size: usize, most: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed));
    let document = serde_json::from_slice::<Value>(&data[..size]).ok().filter(|_| !dice.one_in(4));
    let changed = document.and_then(|mut document| {
        for _ in 0..=dice.below(3) {
            change(&mut document, &mut dice);
        }
        serde_json::to_vec(&document).ok().filter(|bytes| bytes.len() <= most)
    });
    match changed {
        Some(bytes) => {
            data[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, most),
    }
}

fn change(document: &mut Value, dice: &mut Dice) {
    let other = {
        let count = count(document);
        node(document, dice.below(count)).clone()
    };
    let count = count(document);
    let place = node(document, dice.below(count));
    match dice.below(4) {
        0 => *place = interesting(dice),
        1 => *place = other,
        _ => grow_or_shrink(place, other, dice),
    }
}

fn grow_or_shrink(place: &mut Value, other: Value, dice: &mut Dice) {
    match place {
        Value::Array(items) if !items.is_empty() && dice.one_in(2) => {
            drop(items.remove(dice.below(items.len())))
        }
        Value::Array(items) => items.push(other),
        Value::Object(members) => member(members, other, dice),
        Value::String(text) => {
            let at =
                text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(dice.below(text.len() + 1));
            text.insert_str(
                at.unwrap_or_default(),
                dice.of(&["/", "..", "\0", ":", "-", "0", "é", "\n", ",", "="]),
            );
        }
        Value::Number(number) => *place = near(number, dice),
        _ => *place = interesting(dice),
    }
}

fn member(members: &mut Map<String, Value>, other: Value, dice: &mut Dice) {
    let Some(name) = members.keys().nth(dice.below(members.len().max(1))).cloned() else { return };
    match dice.below(3) {
        0 => drop(members.remove(&name)),
        1 => drop(members.insert(name, other)),
        _ => drop(members.insert(name + dice.of(&["x", "", " ", "\0", "~1", "/../"]), other)),
    }
}

fn near(number: &Number, dice: &mut Dice) -> Value {
    let value = number.as_i64().unwrap_or_default();
    json!(match dice.below(4) {
        0 => value.wrapping_add(1),
        1 => value.wrapping_sub(1),
        2 => value.wrapping_neg(),
        _ => value.wrapping_mul(1 << dice.below(40)),
    })
}

fn interesting(dice: &mut Dice) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(u32::MAX),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
        json!(0.5),
        json!(""),
        json!("/"),
        json!("../../x"),
        json!("0-4294967295"),
        json!("a\u{0}b"),
        json!("x".repeat(300)),
        json!([]),
        json!({}),
        json!([[], {}]),
    ];
    values[dice.below(values.len())].clone()
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// The node of this number, counted from the root down.
fn node(value: &mut Value, number: usize) -> &mut Value {
    if number == 0 {
        return value;
    }
    let mut left = number - 1;
    let is_in = |child: &Value, left: &mut usize| {
        let size = count(child);
        let found = *left < size;
        *left -= if found { 0 } else { size };
        found
    };
    match value {
        Value::Array(items) => match items.iter_mut().find(|child| is_in(child, &mut left)) {
            Some(child) => node(child, left),
            None => unreachable!("there are as many as were counted"),
        },
        Value::Object(members) => match members.values_mut().find(|child| is_in(child, &mut left)) {
            Some(child) => node(child, left),
            None => unreachable!("there are as many as were counted"),
        },
        _ => unreachable!("a leaf is one node"),
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}
