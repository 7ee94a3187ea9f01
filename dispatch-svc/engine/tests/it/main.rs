//! The engine through its public interface: examples, properties, and snapshots of its output.

mod arbitrary;
mod candidates;
mod city_time;
mod explain;
mod greedy;
mod horizon;
mod properties;
mod shape;
mod world;
