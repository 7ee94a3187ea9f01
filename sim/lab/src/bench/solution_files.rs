//! Solutions in the format of the library's evaluator: three space-separated files with one header line each.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use super::solution::{Site, Solution};
use pannier_instance::Instance;

/// Writes the three files into `dir`, which is created when missing.
///
/// # Errors
/// The folder cannot be created or a file cannot be written.
pub fn write(dir: &Path, instance: &Instance, solution: &Solution) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("solution_info_assignments.txt"), assignments(instance, solution))?;
    fs::write(dir.join("solution_info_orders.txt"), orders(instance, solution))?;
    fs::write(dir.join("solution_info_couriers.txt"), couriers(instance, solution))
}

/// One line per assignment, sorted by pickup; the orders in drop-off sequence.
fn assignments(instance: &Instance, solution: &Solution) -> String {
    let mut text = "assignment_time pickup_time courier order\n".to_owned();
    let mut sorted: Vec<_> = solution.assignments.iter().collect();
    sorted.sort_by_key(|a| (a.pickup, a.courier));
    for a in sorted {
        let _ = write!(text, "{} {} {}", a.assigned, a.pickup, instance.couriers[a.courier].id);
        for dropoff in &a.dropoffs {
            let _ = write!(text, " {}", instance.orders[dropoff.order].id);
        }
        text.push('\n');
    }
    text
}

/// One line per delivered order, in the order of the instance's file.
fn orders(instance: &Instance, solution: &Solution) -> String {
    let mut text = "order placement_time ready_time pickup_time dropoff_time courier\n".to_owned();
    for (order, served) in instance.orders.iter().zip(solution.by_order(instance)) {
        let Some((a, dropoff)) = served else { continue };
        let (times, courier) =
            (format!("{} {} {}", order.ready, a.pickup, dropoff.at), &instance.couriers[a.courier].id);
        let _ = writeln!(text, "{} {} {times} {courier}", order.id, order.placement);
    }
    text
}

/// One line per move, courier by courier. `0` is the start of the courier's shift.
fn couriers(instance: &Instance, solution: &Solution) -> String {
    let mut text = "courier departure_time origin destination\n".to_owned();
    let name = |site| match site {
        Site::Start => "0",
        Site::Restaurant(restaurant) => &instance.restaurants[restaurant].id,
        Site::Order(order) => &instance.orders[order].id,
    };
    for (courier, schedule) in instance.couriers.iter().zip(solution.by_courier(instance)) {
        for step in schedule.moves {
            let _ = writeln!(text, "{} {} {} {}", courier.id, step.departure, name(step.from), name(step.to));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{instance, solution};
    use super::*;

    #[test]
    fn the_files_have_the_evaluators_format() {
        let (instance, solution) = (instance(), solution());
        assert_eq!(
            assignments(&instance, &solution),
            "assignment_time pickup_time courier order\n4 12 c1 o1 o2\n36 45 c2 o3\n"
        );
        assert_eq!(
            orders(&instance, &solution),
            "order placement_time ready_time pickup_time dropoff_time courier\n\
             o1 2 10 12 26 c1\no2 4 12 12 33 c1\no3 30 45 45 49 c2\n"
        );
        assert_eq!(
            couriers(&instance, &solution),
            "courier departure_time origin destination\n\
             c1 5 0 r1\nc1 14 r1 o1\nc1 28 o1 o2\nc2 10 0 r1\nc2 36 r1 r2\nc2 47 r2 o3\n"
        );
    }
}
