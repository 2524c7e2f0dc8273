//! All complaints at once: note the first, take what it is about out of a copy of the tree, and decode that again.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::error::{child, walk};
use super::{Complaint, Error, Step, decode_once};
use crate::diagnostic::{Diagnostic, in_order};
use crate::source::Span;
use crate::suggest::nearest;
use crate::tree::{Node, Value};

/// After so many complaints the rest is better read after mending these.
const MOST_COMPLAINTS: usize = 20;

/// Decodes a tree.
///
/// # Errors
///
/// Everything that is wrong with the values, each with its place, at most twenty, in the order of the text.
pub fn decode<T: DeserializeOwned>(root: &Node) -> Result<T, Vec<Diagnostic>> {
    let mut rest = Pruned {
        tree: root.clone(),
        taken: BTreeSet::new(),
    };
    let mut complaints = Vec::new();
    loop {
        match decode_once::<T>(&rest.tree) {
            Ok(value) if complaints.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => {
                if !rest.caused(&error) {
                    complaints.push(error.diagnostic(&rest.tree));
                }
                if complaints.len() == MOST_COMPLAINTS || !rest.take_out(&error.steps()) {
                    break;
                }
            }
        }
    }
    Err(in_order(complaints))
}

/// A tree without the entries that were complained about.
struct Pruned {
    tree: Node,
    /// The place of the brackets that lost an entry, and the entry's name where it had one.
    taken: BTreeSet<(Span, Option<String>)>,
}

impl Pruned {
    /// Whether a complaint comes from what was taken out before: a field that is missing now, also one that was there and
    /// misspelt, or a whole that lacks a part.
    fn caused(&self, error: &Error) -> bool {
        let node = walk(&self.tree, &error.steps());
        let inside = match &node.value {
            Value::Variant(_, Some(payload)) => payload.span,
            _ => node.span,
        };
        match error.complaint() {
            Complaint::MissingField(name) => self.lost(inside).any(|lost| {
                lost.is_some_and(|lost| lost == *name || nearest(lost, [*name]).is_some())
            }),
            Complaint::Other(_) | Complaint::Length { .. } => self.lost(inside).next().is_some(),
            _ => false,
        }
    }

    /// The names of the entries that were taken out of these brackets.
    fn lost(&self, inside: Span) -> impl Iterator<Item = Option<&str>> {
        let here = self.taken.iter().filter(move |(span, _)| *span == inside);
        here.map(|(_, name)| name.as_deref())
    }

    /// Takes out the innermost field, key or list item on the way; false when there is none.
    fn take_out(&mut self, steps: &[Step]) -> bool {
        let mut node = &self.tree;
        let mut deepest = None;
        for (depth, &step) in steps.iter().enumerate() {
            if matches!(
                node.value,
                Value::Struct(_) | Value::Map(_) | Value::List(_)
            ) {
                deepest = Some(depth);
            }
            node = child(node, step).unwrap_or(node);
        }
        let Some(depth) = deepest else {
            return false;
        };
        let (Step::Entry(index) | Step::Key(index)) = steps[depth] else {
            return false;
        };
        let holder = walk_mut(&mut self.tree, &steps[..depth]);
        let name = match &mut holder.value {
            Value::Struct(fields) => Some(fields.remove(index).name.text),
            Value::Map(entries) => entries.remove(index).key.key_text().map(str::to_owned),
            Value::List(items) => {
                items.remove(index);
                None
            }
            _ => unreachable!("only these hold entries"),
        };
        self.taken.insert((holder.span, name));
        true
    }
}

fn walk_mut<'a>(root: &'a mut Node, steps: &[Step]) -> &'a mut Node {
    steps
        .iter()
        .fold(root, |node, &step| match (&mut node.value, step) {
            (Value::Variant(_, Some(payload)), Step::Payload) => payload,
            (Value::List(items) | Value::Tuple(items), Step::Entry(index)) => &mut items[index],
            (Value::Struct(fields), Step::Entry(index)) => &mut fields[index].value,
            (Value::Map(entries), Step::Entry(index)) => &mut entries[index].value,
            _ => unreachable!("the way was recorded on this tree"),
        })
}
