//! Nodes -> instructions. Jumps lead forward and mostly not far: so the last is laid first.

use std::collections::HashMap;

use super::super::bpf::{Instruction, code};
use super::nodes::{Id, Node, Nodes};

/// What fits into a short jump.
const FAR: usize = u8::MAX as usize;

#[derive(Default)]
struct Layout {
    /// The last instruction of the program comes first.
    laid: Vec<Instruction>,
    /// Where in it a node begins.
    places: HashMap<Id, usize>,
}

/// None where a jump is too long for its instruction.
pub fn instructions(nodes: &Nodes, root: Id) -> Option<Vec<Instruction>> {
    let mut layout = Layout::default();
    layout.lay(nodes, root)?;
    layout.laid.reverse();
    Some(layout.laid)
}

impl Layout {
    fn lay(&mut self, nodes: &Nodes, id: Id) -> Option<()> {
        if self.places.contains_key(&id) {
            return Some(());
        }
        let instruction = match nodes.get(id) {
            Node::Return(answer) => (code::RETURN, 0, 0, answer),
            Node::Load(offset, next) => (code::LOAD_WORD, 0, 0, self.lay_next(nodes, next).map(|()| offset)?),
            Node::And(mask, next) => (code::AND, 0, 0, self.lay_next(nodes, next).map(|()| mask)?),
            Node::Choose { code, operand, yes, no } => {
                self.lay(nodes, yes)?;
                self.lay(nodes, no)?;
                // What may have to be laid for the second puts the first one farther away.
                self.bring_within(nodes, yes, FAR - 1)?;
                self.bring_within(nodes, no, FAR)?;
                (
                    code,
                    u8::try_from(self.distance(yes)?).ok()?,
                    u8::try_from(self.distance(no)?).ok()?,
                    operand,
                )
            }
        };
        self.put(id, instruction);
        Some(())
    }

    /// An instruction that does not jump is followed by the one behind it.
    fn lay_next(&mut self, nodes: &Nodes, id: Id) -> Option<()> {
        self.lay(nodes, id)?;
        self.bring_within(nodes, id, 0)
    }

    fn bring_within(&mut self, nodes: &Nodes, id: Id, reach: usize) -> Option<()> {
        let distance = self.distance(id)?;
        if distance > reach {
            let instruction = match nodes.get(id) {
                Node::Return(answer) => (code::RETURN, 0, 0, answer),
                _ => (code::JUMP, 0, 0, u32::try_from(distance).ok()?),
            };
            self.put(id, instruction);
        }
        Some(())
    }

    /// From the instruction that is laid next: how many are between them.
    fn distance(&self, id: Id) -> Option<usize> {
        self.laid.len().checked_sub(1)?.checked_sub(*self.places.get(&id)?)
    }

    fn put(&mut self, id: Id, instruction: Instruction) {
        self.places.insert(id, self.laid.len());
        self.laid.push(instruction);
    }
}
