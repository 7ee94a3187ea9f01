//! A small instance and a feasible solution, both computed by hand.

use super::solution::{Assignment, Dropoff, Move, Site, Solution};
use pannier_instance::{Courier, Instance, Order, Parameters, Point, Restaurant};

const R1: Point = Point { x: 500.0, y: 0.0 };
const R2: Point = Point { x: 500.0, y: 500.0 };

/// Two couriers, two restaurants, four orders, 100 metres per minute, four minutes of service at counter and door.
/// The last order becomes ready after all shifts have ended.
pub(super) fn instance() -> Instance {
    let order = |n: usize, (x, y), placement, restaurant, ready| {
        let at = Point { x, y };
        Order { id: format!("o{n}"), at, placement, restaurant, ready }
    };
    let courier = |id: &str, x| Courier { id: id.into(), at: Point { x, y: 0.0 }, on: 0, off: 60 };
    Instance {
        name: "example".into(),
        orders: vec![
            order(1, (500.0, 1_000.0), 2, 0, 10),
            order(2, (800.0, 1_000.0), 4, 0, 12),
            order(3, (500.0, 500.0), 30, 1, 45),
            order(4, (500.0, 500.0), 50, 1, 100),
        ],
        couriers: vec![courier("c1", 0.0), courier("c2", 1_000.0)],
        restaurants: vec![Restaurant { id: "r1".into(), at: R1 }, Restaurant { id: "r2".into(), at: R2 }],
        parameters: Parameters {
            metres_per_minute: 100.0,
            pickup_service: 4.0,
            dropoff_service: 4.0,
            target_click_to_door: 25.0,
            maximum_click_to_door: 90.0,
            pay_per_order: 10.0,
            guaranteed_pay_per_hour: 15.0,
        },
    }
}

/// c1 delivers o1 and o2 in one bundle. c2 moves to r1 without an order, then delivers o3 from r2 to the same point.
pub(super) fn solution() -> Solution {
    let step = |courier, departure, from, to| Move { courier, departure, from, to };
    Solution {
        assignments: vec![
            Assignment {
                assigned: 4,
                pickup: 12,
                courier: 0,
                dropoffs: vec![Dropoff { order: 0, at: 26 }, Dropoff { order: 1, at: 33 }],
            },
            Assignment { assigned: 36, pickup: 45, courier: 1, dropoffs: vec![Dropoff { order: 2, at: 49 }] },
        ],
        moves: vec![
            step(0, 5, Site::Start, Site::Restaurant(0)),
            step(1, 10, Site::Start, Site::Restaurant(0)),
            step(0, 14, Site::Restaurant(0), Site::Order(0)),
            step(0, 28, Site::Order(0), Site::Order(1)),
            step(1, 36, Site::Restaurant(0), Site::Restaurant(1)),
            step(1, 47, Site::Restaurant(1), Site::Order(2)),
        ],
    }
}
