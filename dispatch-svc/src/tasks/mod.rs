//! What runs without a request: the dispatcher and what it plans with, timers, and the sweeper.

pub mod city;
pub mod dispatcher;
pub mod kitchen_model;
pub mod offer_meter;
mod plan_meter;
mod planned_round;
pub mod planner;
pub mod planning_stats;
pub mod pricing;
pub mod recent_orders;
pub mod sweeper;
pub mod timers;
