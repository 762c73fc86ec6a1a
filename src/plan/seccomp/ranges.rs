//! The same program, shorter: what libseccomp makes asks about each number by itself, this about ranges of them.
//!
//! Most of what an installed profile costs is the kernel checking, translating and trying each instruction: a quarter
//! as many take a third of the time, and each system call of the container is asked fewer questions.
//!
//! It is a partial evaluation. Between two neighbours of the constants that the program compares with, all numbers
//! take the same way through it; so it is followed once for each such range and each architecture. What it does with
//! these is known and falls away, what it does with arguments stays as it was (`nodes`). Neighbouring ranges that are
//! left with the same become one, and a tree of comparisons finds a number's range.
//!
//! It must never guess: what is not understood whole is left as libseccomp wrote it.

mod follow;
mod lay_out;
mod nodes;

use std::collections::BTreeSet;

use super::bpf::{self, ARCHITECTURE, Instruction, NUMBER, X32_BIT, code};
use follow::Program;
use nodes::{Id, Node, Nodes};

/// The program by ranges, or as it is: where that is not shorter, or something in it is unknown here.
pub fn shortened(program: Vec<u8>) -> Vec<u8> {
    let shorter = bpf::decode(&program).and_then(|instructions| by_ranges(&instructions));
    let shorter: Option<Vec<u8>> =
        shorter.map(|instructions| instructions.iter().flat_map(bpf::encode).collect());
    shorter.filter(|shorter| shorter.len() < program.len()).unwrap_or(program)
}

/// None where something is not understood.
fn by_ranges(instructions: &[Instruction]) -> Option<Vec<Instruction>> {
    let mut nodes = Nodes::default();
    let mut program = Program::new(instructions);
    let starts = starts(instructions);
    // Any architecture but those that the program asks for, which is seen on the way.
    let mut root = numbers(&mut program, &mut nodes, None, &starts)?;
    for architecture in program.asked().to_vec().into_iter().rev() {
        let its = numbers(&mut program, &mut nodes, Some(architecture), &starts)?;
        root = nodes.choose(code::JUMP_IF_EQUAL, architecture, its, root);
    }
    let root = nodes.add(Node::Load(ARCHITECTURE, root));
    lay_out::instructions(&nodes, root)
}

/// The first number of each range in which no comparison tells two numbers apart.
fn starts(instructions: &[Instruction]) -> BTreeSet<u32> {
    let quarters = (0..4).map(|quarter| quarter * X32_BIT);
    let constants = instructions.iter().flat_map(|(code, .., operand)| match *code {
        code::JUMP_IF_EQUAL => [Some(*operand), operand.checked_add(1)],
        code::JUMP_IF_GREATER => [None, operand.checked_add(1)],
        code::JUMP_IF_GREATER_OR_EQUAL => [Some(*operand), None],
        _ => [None, None],
    });
    quarters.chain(constants.flatten()).collect()
}

/// What is left for the numbers of an architecture.
fn numbers(
    program: &mut Program,
    nodes: &mut Nodes,
    architecture: Option<u32>,
    starts: &BTreeSet<u32>,
) -> Option<Id> {
    let mut ranges: Vec<(u32, Id)> = Vec::new();
    for start in starts {
        let left = program.follow(nodes, architecture, *start)?;
        if ranges.last().is_none_or(|(_, last)| *last != left) {
            ranges.push((*start, left));
        }
    }
    if let [(_, all)] = ranges[..] {
        return Some(all);
    }
    let tree = tree(nodes, &ranges)?;
    Some(nodes.add(Node::Load(NUMBER, tree)))
}

/// Asks for half of the ranges at a time.
fn tree(nodes: &mut Nodes, ranges: &[(u32, Id)]) -> Option<Id> {
    let (below, above) = ranges.split_at(ranges.len() / 2);
    let (start, id) = *above.first()?;
    if below.is_empty() {
        return Some(id);
    }
    let (yes, no) = (tree(nodes, above)?, tree(nodes, below)?);
    Some(nodes.choose(code::JUMP_IF_GREATER_OR_EQUAL, start, yes, no))
}

#[cfg(test)]
mod tests;
