//! A table in Markdown, for `docs/lifecycles.md`.

use super::{Exit, LifecycleTable, Row, Then, Wait};
use crate::Role;

/// See [`LifecycleTable::markdown`].
pub(super) fn of<L: LifecycleTable + ?Sized>() -> String {
    let mut page = String::from("| in | may happen | waits for | people may |\n|---|---|---|---|\n");
    L::ROWS.iter().for_each(|row| page.push_str(&line::<L>(row)));
    let ends = L::states().iter().filter(|state| L::row(**state).is_none());
    let ends: Vec<String> = ends.map(|state| format!("`{state}`")).collect();
    if !ends.is_empty() {
        page.push_str(&format!("\nFinal: {}.\n", ends.join(", ")));
    }
    page
}

fn line<L: LifecycleTable + ?Sized>(row: &Row<L::State, L::Trigger>) -> String {
    let happens = row.moves.iter().map(|(on, to)| format!("{} → `{to}`", on.to_string().replace('_', " ")));
    let rests = row.rests.map(|why| format!("nothing: {why}"));
    let waits = rests.into_iter().chain(row.waits.iter().map(|wait| waiting::<L>(row, wait)));
    let exits = row.exits.iter().map(|exit| leaving::<L>(row, exit));
    let exits = exits.chain(row.led.map(|by| format!("elsewhere: {by}")));
    let cells: [Vec<String>; 3] = [happens.collect(), waits.collect(), exits.collect()];
    format!("| `{}` | {} |\n", row.state, cells.map(|lines| lines.join("<br>")).join(" | "))
}

fn waiting<L: LifecycleTable + ?Sized>(row: &Row<L::State, L::Trigger>, wait: &Wait<L::Trigger>) -> String {
    let then = match wait.then {
        Then::Move(trigger) => L::table(row.state, trigger).map_or_else(String::new, |to| format!("→ `{to}`")),
        Then::Alarm(_) => "alarm".to_owned(),
        Then::Watch(_) => "checked, and again as often; alarm while it is so".to_owned(),
    };
    format!("`{}`, {}: {then}", wait.kind, wait.clock)
}

/// `ops: settle → failed or delivered`.
fn leaving<L: LifecycleTable + ?Sized>(row: &Row<L::State, L::Trigger>, exit: &Exit<L::Trigger>) -> String {
    let who = if exit.who == Role::Merchant { "shop" } else { exit.who.as_str() };
    let ends = exit.paths.iter().filter_map(|path| L::walk(row.state, path)).map(|to| format!("`{to}`"));
    format!("{who}: {} → {}", exit.action, ends.collect::<Vec<_>>().join(" or "))
}
