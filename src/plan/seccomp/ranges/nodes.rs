//! What is left to do, each piece once: a graph without cycles, whose edges are jumps forward.

use std::collections::HashMap;

/// A place in `Nodes`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Id(usize);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Node {
    Return(u32),
    /// A word of struct seccomp_data, by its offset.
    Load(u32, Id),
    And(u32, Id),
    Choose {
        /// `code::JUMP_IF_*`.
        code: u16,
        operand: u32,
        yes: Id,
        no: Id,
    },
}

/// Nodes that are alike are one.
#[derive(Default)]
pub struct Nodes {
    all: Vec<Node>,
    known: HashMap<Node, Id>,
}

impl Nodes {
    pub fn add(&mut self, node: Node) -> Id {
        let next = Id(self.all.len());
        let id = *self.known.entry(node).or_insert(next);
        if id == next {
            self.all.push(node);
        }
        id
    }

    /// No question where both answers lead to the same.
    pub fn choose(&mut self, code: u16, operand: u32, yes: Id, no: Id) -> Id {
        if yes == no {
            return yes;
        }
        self.add(Node::Choose { code, operand, yes, no })
    }

    pub fn get(&self, id: Id) -> Node {
        self.all[id.0]
    }
}
