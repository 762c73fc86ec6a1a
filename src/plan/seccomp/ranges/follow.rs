//! The way that a program takes where architecture and number are known.

use std::collections::HashMap;

use super::super::bpf::{ARCHITECTURE, Instruction, NUMBER, X32_BIT, code};
use super::nodes::{Id, Node, Nodes};

/// Instructions that are followed at most, for all ranges together: a profile of Docker's size takes 60,000.
const MOST_STEPS: usize = 1 << 20;
/// Loads and questions after which a way that hangs on arguments is given up (it is followed by recursion).
const MOST_NESTED: usize = 256;

pub struct Program<'a> {
    instructions: &'a [Instruction],
    asked: Vec<u32>,
    steps: usize,
}

/// What the accumulator holds.
#[derive(Clone, Copy)]
enum Holds {
    /// Before the first load.
    Nothing,
    Architecture,
    Number,
    /// An argument or something made of it: known only when the call is made.
    Argument,
}

/// One range's way.
struct Way<'n> {
    nodes: &'n mut Nodes,
    architecture: Option<u32>,
    number: u32,
    /// What is left from a place on where the accumulator holds an argument.
    rests: HashMap<usize, Id>,
    nested: usize,
}

impl<'a> Program<'a> {
    pub fn new(instructions: &'a [Instruction]) -> Self {
        Self { instructions, asked: Vec::new(), steps: 0 }
    }

    /// What is left to do for a number of an architecture; None is any architecture but those in `asked`, which it
    /// adds to. Answers None where something is not understood.
    pub fn follow(&mut self, nodes: &mut Nodes, architecture: Option<u32>, number: u32) -> Option<Id> {
        let mut way = Way { nodes, architecture, number, rests: HashMap::new(), nested: 0 };
        self.from(&mut way, 0, Holds::Nothing)
    }

    /// The architectures that were asked for on the ways of None, in the program's order.
    pub fn asked(&self) -> &[u32] {
        &self.asked
    }

    fn from(&mut self, way: &mut Way, mut at: usize, mut holds: Holds) -> Option<Id> {
        while self.steps < MOST_STEPS {
            self.steps += 1;
            let (code, yes, no, operand) = *self.instructions.get(at)?;
            at += 1;
            match (code, operand, holds) {
                (code::RETURN, ..) => return Some(way.nodes.add(Node::Return(operand))),
                (code::JUMP, ..) => at = at.checked_add(usize::try_from(operand).ok()?)?,
                (code::LOAD_WORD, ARCHITECTURE, _) => holds = Holds::Architecture,
                (code::LOAD_WORD, NUMBER, _) => holds = Holds::Number,
                (code::LOAD_WORD, ..) => {
                    let rest = self.rest(way, at)?;
                    return Some(way.nodes.add(Node::Load(operand, rest)));
                }
                (code::AND, _, Holds::Argument) => {
                    let rest = self.rest(way, at)?;
                    return Some(way.nodes.add(Node::And(operand, rest)));
                }
                (_, _, Holds::Argument) if asks(code) => {
                    let (yes, no) =
                        (self.rest(way, at + usize::from(yes))?, self.rest(way, at + usize::from(no))?);
                    return Some(way.nodes.choose(code, operand, yes, no));
                }
                (code::JUMP_IF_EQUAL, _, Holds::Architecture) => {
                    at += usize::from(if self.is(way.architecture, operand) { yes } else { no });
                }
                (_, _, Holds::Number) => {
                    at += usize::from(if holds_for(way.number, code, operand)? { yes } else { no });
                }
                _ => return None,
            }
        }
        None
    }

    /// From where the accumulator holds an argument.
    fn rest(&mut self, way: &mut Way, at: usize) -> Option<Id> {
        if let Some(id) = way.rests.get(&at) {
            return Some(*id);
        }
        if way.nested == MOST_NESTED {
            return None;
        }
        way.nested += 1;
        let id = self.from(way, at, Holds::Argument)?;
        way.nested -= 1;
        way.rests.insert(at, id);
        Some(id)
    }

    fn is(&mut self, architecture: Option<u32>, operand: u32) -> bool {
        if architecture.is_none() && !self.asked.contains(&operand) {
            self.asked.push(operand);
        }
        architecture == Some(operand)
    }
}

fn asks(code: u16) -> bool {
    use code::{JUMP_IF_ANY_BIT, JUMP_IF_EQUAL, JUMP_IF_GREATER, JUMP_IF_GREATER_OR_EQUAL};
    [JUMP_IF_ANY_BIT, JUMP_IF_EQUAL, JUMP_IF_GREATER, JUMP_IF_GREATER_OR_EQUAL].contains(&code)
}

/// The answer for a number and all others of its range (`super::starts`). Of questions for bits that is so for the
/// one of x32 alone.
fn holds_for(number: u32, code: u16, operand: u32) -> Option<bool> {
    match code {
        code::JUMP_IF_EQUAL => Some(number == operand),
        code::JUMP_IF_GREATER => Some(number > operand),
        code::JUMP_IF_GREATER_OR_EQUAL => Some(number >= operand),
        code::JUMP_IF_ANY_BIT if operand == X32_BIT => Some(number & X32_BIT != 0),
        _ => None,
    }
}
