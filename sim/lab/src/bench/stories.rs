//! Why an order took as long as it did: its day is worked again, because a run says the same every time, and this time
//! somebody writes down what each minute's plan meant to do with it.

use std::collections::BTreeMap;

use pannier_contracts::RiderId;
use pannier_engine::explain::{Round, for_ops};
use pannier_engine::{Outcome as Decided, Plan};

use super::day::{MINUTE_MS, Seen, delivery_id, number, run_seen};
use super::report::{clock, worst_orders};
use super::run::Outcome;
use super::solution::{DayOptions, Site, Story};
use pannier_instance::Instance;

/// Candidates whose prices the engine keeps for the sentences.
const LISTED: u32 = 5;
/// More sentences than this nobody reads; what is left out is in the middle.
const MOST: usize = 12;
/// Of those, what happened in the end: it explains more than how it began.
const AT_THE_END: usize = 7;
/// Sentences of the engine per change: what was decided, and against whom.
const OF_THE_ENGINE: usize = 2;

/// Gives the worst orders of all days their stories. Takes as long as their days take again.
pub fn tell(outcomes: &mut [Outcome], options: &DayOptions) {
    let mut wanted: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (day, order) in worst_orders(outcomes) {
        wanted.entry(day).or_default().push(order);
    }
    for (day, orders) in wanted {
        outcomes[day].day.stories = of_day(&outcomes[day], options, &orders);
    }
}

fn of_day(outcome: &Outcome, options: &DayOptions, orders: &[usize]) -> Vec<Story> {
    let instance = &outcome.instance;
    let mut tellers: Vec<Teller> = orders.iter().map(|order| Teller::new(*order)).collect();
    run_seen(instance, options, LISTED, &mut |seen| tellers.iter_mut().for_each(|t| t.hear(instance, seen)));
    tellers.into_iter().map(|t| t.story(outcome)).collect()
}

/// What one order was meant to become, change by change.
struct Teller {
    order: usize,
    /// Who was planned a minute ago, and with what word.
    last: Option<(Option<RiderId>, &'static str)>,
    told: Vec<String>,
}

impl Teller {
    const fn new(order: usize) -> Self {
        Self { order, last: None, told: Vec::new() }
    }

    fn hear(&mut self, instance: &Instance, seen: &Seen<'_>) {
        let id = delivery_id(self.order);
        let Some(decision) = seen.plan.decisions.iter().find(|d| d.delivery == id) else { return };
        let planned = self.planned(seen.plan);
        let word = decision.outcome.reason().unwrap_or_else(|| decision.outcome.as_str());
        let now = Some((planned.map(|(rider, _, _)| rider), word));
        // Under way: the time at which they are there is no news.
        let is_under_way = self.last == Some((planned.map(|(rider, _, _)| rider), "offer")) && word == "planned";
        if self.last == now || is_under_way {
            return;
        }
        let before = self.last.and_then(|(rider, _)| rider);
        self.last = now;
        let mut told = match planned {
            Some((rider, leave_ms, pickup_ms)) => {
                let instead = match before {
                    Some(other) if other != rider => format!(" instead of {}", courier(instance, other)),
                    _ => String::new(),
                };
                format!(
                    "{}: {} is planned{instead}, to leave at {} and pick up at {}.",
                    clock(seen.now),
                    courier(instance, rider),
                    clock(leave_ms.div_euclid(MINUTE_MS).max(seen.now)),
                    clock(pickup_ms.div_euclid(MINUTE_MS)),
                )
            }
            None => format!("{}: nobody is planned.", clock(seen.now)),
        };
        let (asked, until_ms): (Vec<RiderId>, _) = match &decision.outcome {
            Decided::Offer { riders } => (riders.iter().map(|r| r.rider).collect(), None),
            Decided::Hold { until_ms, .. } => (Vec::new(), Some(*until_ms)),
            Decided::Nobody { .. } => (Vec::new(), None),
        };
        let round = Round {
            at_ms: seen.now * MINUTE_MS,
            reason: decision.outcome.reason(),
            until_ms,
            asked: &asked,
            candidates: &decision.candidates,
            left_out: decision.left_out,
        };
        // That somebody is planned has just been said.
        let from = usize::from(word == "planned");
        for mut sentence in for_ops(&round).into_iter().take(OF_THE_ENGINE).skip(from) {
            for rider in asked.iter().chain(decision.candidates.iter().map(|c| &c.rider)) {
                sentence = sentence.replace(&rider.to_string(), courier(instance, *rider));
            }
            told.push(' ');
            told.push_str(&sentence);
        }
        self.told.push(told);
    }

    /// Whose route has it, when they are to leave, when they pick up.
    fn planned(&self, plan: &Plan) -> Option<(RiderId, i64, i64)> {
        let id = delivery_id(self.order);
        plan.routes.iter().find_map(|route| {
            let trip = route.trips.iter().find(|t| t.trip.deliveries.contains(&id))?;
            Some((route.rider, trip.leave_at_ms, trip.pickup_at_ms))
        })
    }

    fn story(mut self, outcome: &Outcome) -> Story {
        self.told.extend(way(outcome, self.order));
        if self.told.len() > MOST {
            let from = MOST - AT_THE_END - 1;
            let left_out = from..self.told.len() - AT_THE_END;
            let note = format!("(The plan changed {} times more.)", left_out.len());
            self.told.splice(left_out, [note]);
        }
        Story { order: self.order, sentences: self.told }
    }
}

/// The way to the counter, as it was in the end.
fn way(outcome: &Outcome, order: usize) -> Option<String> {
    let (instance, solution) = (&outcome.instance, &outcome.day.solution);
    let (assignment, _) = solution.by_order(instance).into_iter().nth(order)??;
    let there = Site::Restaurant(instance.orders[order].restaurant);
    let moves = solution.moves.iter().filter(|m| m.courier == assignment.courier && m.to == there);
    let step = moves.filter(|m| m.departure <= assignment.pickup).max_by_key(|m| m.departure)?;
    let arrival = step.arrival(instance);
    Some(format!(
        "{}: {} leaves for the restaurant, is there at {}, waits {} minutes and picks up at {}.",
        clock(step.departure),
        instance.couriers[assignment.courier].id,
        clock(arrival),
        (assignment.pickup - arrival - instance.parameters.pickup_service as i64 / 2).max(0),
        clock(assignment.pickup),
    ))
}

fn courier(instance: &Instance, rider: RiderId) -> &str {
    instance.couriers.get(number(rider.0)).map_or("somebody", |c| c.id.as_str())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use super::super::run;
    use super::*;

    #[test]
    fn the_worst_orders_have_short_stories_in_the_names_of_the_day() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/instances/harbour");
        let (options, stop) = (DayOptions::default(), AtomicBool::new(false));
        let mut outcomes = run::work(run::load(&[dir]).unwrap(), &options, None, &stop, &run::progress()).unwrap();
        tell(&mut outcomes, &options);
        let stories = &outcomes[0].day.stories;
        assert_eq!(stories.len(), 10);
        for story in stories {
            assert!((2..=MOST).contains(&story.sentences.len()), "{story:?}");
            assert!(story.sentences.iter().all(|s| !s.contains("rdr_")), "{story:?}");
            assert!(story.sentences.last().unwrap().contains("picks up at"), "{story:?}");
        }
    }
}
