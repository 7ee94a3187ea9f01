//! What is wrong with a table.

use super::{LifecycleTable, Row, Then};

/// See [`LifecycleTable::gaps`].
pub(super) fn of<L: LifecycleTable + ?Sized>() -> Vec<String> {
    let mut gaps = Vec::new();
    for (n, row) in L::ROWS.iter().enumerate() {
        let state = row.state;
        if L::ROWS[..n].iter().any(|before| before.state == state) {
            gaps.push(format!("{state} has two rows"));
        }
        if row.waits.is_empty() && row.rests.is_none() {
            gaps.push(format!("{state} waits for nothing"));
        }
        if row.exits.is_empty() && row.led.is_none() {
            gaps.push(format!("{state} has no exit for a person"));
        }
        gaps.extend(in_moves::<L>(row));
        gaps.extend(in_waits::<L>(row));
        gaps.extend(in_exits::<L>(row));
    }
    gaps
}

fn in_moves<L: LifecycleTable + ?Sized>(row: &Row<L::State, L::Trigger>) -> Vec<String> {
    let mut gaps = Vec::new();
    for (n, (trigger, to)) in row.moves.iter().enumerate() {
        // The transition table takes the first of two equal pairs and reports nothing.
        if row.moves[..n].iter().any(|(before, _)| before == trigger) {
            gaps.push(format!("{} has two moves {trigger}", row.state));
        } else if L::table(row.state, *trigger) != Some(*to) {
            gaps.push(format!("{} × {trigger} does not lead to {to}", row.state));
        }
    }
    gaps
}

fn in_waits<L: LifecycleTable + ?Sized>(row: &Row<L::State, L::Trigger>) -> Vec<String> {
    let mut gaps = Vec::new();
    for (n, wait) in row.waits.iter().enumerate() {
        let (state, kind) = (row.state, wait.kind);
        if row.waits[..n].iter().any(|before| before.kind == kind) {
            gaps.push(format!("{state} waits for {kind} twice"));
        }
        match wait.then {
            Then::Move(trigger) if L::table(state, trigger).is_none() => {
                gaps.push(format!("{kind} does not allow {trigger} in {state}"));
            }
            Then::Move(_) | Then::Watch(_) if L::ends_as_alarm(kind) => {
                gaps.push(format!("{kind} ends as an alarm in another state than {state}"));
            }
            _ => {}
        }
    }
    gaps
}

fn in_exits<L: LifecycleTable + ?Sized>(row: &Row<L::State, L::Trigger>) -> Vec<String> {
    let paths = row.exits.iter().flat_map(|exit| exit.paths.iter().map(move |path| (exit.action, path)));
    let wrong = paths.filter(|(_, path)| path.is_empty() || L::walk(row.state, path).is_none());
    wrong.map(|(action, path)| format!("{action} does not allow {path:?} in {}", row.state)).collect()
}
